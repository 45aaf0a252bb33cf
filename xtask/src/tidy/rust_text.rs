//! Rust source with its comments and literals blanked out, so that a word found in it is code.

/// Returns the source with comments, strings and characters replaced by blanks. Lines and columns stay, counted in
/// characters; the quotes stay as well.
pub(crate) fn code_of(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    let mut in_word = false;
    while let Some(first) = rest.chars().next() {
        let (literal, len) = match first {
            '/' if rest.starts_with("//") => (true, rest.find('\n').unwrap_or(rest.len())),
            '/' if rest.starts_with("/*") => (true, block_comment(rest)),
            '"' => (true, string(rest, 1)),
            '\'' => match character(rest) {
                Some(len) => (true, len),
                None => (false, 1),
            },
            'r' | 'b' | 'c' if !in_word => match prefixed(rest) {
                Some(len) => (true, len),
                None => (false, 1),
            },
            _ => (false, first.len_utf8()),
        };
        let (token, behind) = rest.split_at(len);
        if literal {
            code.extend(token.chars().map(|letter| if letter == '\n' { '\n' } else { ' ' }));
        } else {
            code.push_str(token);
        }
        in_word = !literal && (first == '_' || first.is_alphanumeric());
        rest = behind;
    }
    code
}

/// Returns the length of the comment at the front; comments nest.
fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// Returns the length of the string at the front, whose body begins at `body`.
fn string(text: &str, body: usize) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().filter(|(at, _)| *at >= body) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Returns the length of the character literal at the front; `None` if it is a lifetime.
fn character(text: &str) -> Option<usize> {
    let mut letters = text.char_indices().skip(1);
    match letters.next()? {
        (_, '\\') => {
            // What is escaped may be a quote; behind it, everything up to the next quote belongs to the literal.
            let (at, escaped) = letters.next()?;
            let behind = at + escaped.len_utf8();
            Some(behind + text.get(behind..)?.find('\'')? + 1)
        }
        (_, '\'') => None,
        _ => letters.next().filter(|(_, letter)| *letter == '\'').map(|(at, _)| at + 1),
    }
}

/// Returns the length of the literal at the front that begins with `r`, `b`, `br`, `c` or `cr`; `None` if it is none.
fn prefixed(text: &str) -> Option<usize> {
    let letters = text.find(|letter| !matches!(letter, 'r' | 'b' | 'c'))?;
    if !matches!(text.get(..letters)?, "r" | "b" | "br" | "c" | "cr") {
        return None;
    }
    let quoted = text.get(letters..)?;
    if quoted.starts_with('\'') {
        return (text.starts_with("b'")).then(|| character(quoted)).flatten().map(|len| letters + len);
    }
    if !text.get(..letters)?.ends_with('r') {
        return quoted.starts_with('"').then(|| string(text, letters + 1));
    }
    let hashes = quoted.find(|letter| letter != '#')?;
    let body = letters + hashes + 1;
    if !quoted.get(hashes..)?.starts_with('"') {
        return None;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    Some(text.get(body..)?.find(&end).map_or(text.len(), |at| body + at + end.len()))
}

/// Returns the number of each line (from 1 on) in which `word` stands in code as a whole word. If it ends with an
/// opening bracket, that must follow.
pub(crate) fn lines_with<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_word = |letter: char| letter == '_' || letter.is_alphanumeric();
    let has = move |line: &str| {
        line.match_indices(word).any(|(at, _)| {
            let before = line.get(..at).and_then(|text| text.chars().next_back());
            let after = line.get(at + word.len()..).and_then(|text| text.chars().next());
            let open = word.ends_with(|letter| !is_word(letter));
            !before.is_some_and(is_word) && (open || !after.is_some_and(is_word))
        })
    };
    code.lines().zip(1..).filter(move |(line, _)| has(line)).map(|(_, number)| number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expected: &str) {
        assert_eq!(code_of(source), expected, "{source}");
    }

    #[test]
    fn comments_and_literals_are_blank() {
        check("a // unsafe\nb", "a          \nb");
        check("a /* x /* y */ z */ b", "a                   b");
        check("f(\"un\\\"safe\") g", "f(          ) g");
        check("f(r\"\\\") g", "f(    ) g");
        check("f(r#\"a\"b\"#) g", "f(        ) g");
        check("f(b\"x\", br#\"y\"#, c\"z\", b'q') g", "f(    ,        ,     ,     ) g");
        check("\"two\nlines\" g", "    \n       g");
    }

    #[test]
    fn characters_are_told_from_lifetimes() {
        check(
            "match x { 'a' => '\\'', '\\n' => '\"', _ => '\\u{1F600}' }",
            "match x {     =>     ,      =>    , _ =>             }",
        );
        check("fn f<'a>(x: &'a str) -> &'static str", "fn f<'a>(x: &'a str) -> &'static str");
        check("'x: loop { break 'x }", "'x: loop { break 'x }");
        check("'ü' ß", "    ß");
    }

    #[test]
    fn identifiers_that_look_like_prefixes_stay() {
        check("for b in r { bar(\"x\") }", "for b in r { bar(   ) }");
        check("r#type: br", "r#type: br");
        check("my_r\"x\"", "my_r   ");
    }

    #[test]
    fn what_never_ends_is_blank_to_the_end() {
        for source in ["/* a", "\"a", "r#\"a\"", "// a"] {
            assert_eq!(code_of(source).trim(), "", "{source}");
        }
        check("'", "'");
        check("b'", "b'");
    }

    #[test]
    fn words_are_whole() {
        let code = "unsafe {\nunsafe_op\nx.unsafe()\nmakeunsafe\n\nunsafe";
        assert_eq!(lines_with(code, "unsafe").collect::<Vec<_>>(), [1, 3, 6]);
        let code = "sleep(1)\nsleep_until(1)\nsleep\nthread::sleep(x)";
        assert_eq!(lines_with(code, "sleep(").collect::<Vec<_>>(), [1, 4]);
        assert_eq!(lines_with("a!b!", "b!").collect::<Vec<_>>(), [1]);
    }
}
