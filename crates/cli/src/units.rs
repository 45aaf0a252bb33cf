//! Values with units on the command line: durations, rates, sizes, and octets.

use std::time::Duration;

use bytes::Bytes;

/// Reads a duration such as `250ms`, `5s` or `1m 30s`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error} (try 250ms, 5s or 1m)"))
}

/// Reads a rate such as `100Hz`, `2.5kHz`, `100/s` or `100`, and returns the time between two messages.
pub(crate) fn rate(text: &str) -> Result<Duration, String> {
    let (number, unit) = split_unit(text.trim().strip_suffix("/s").unwrap_or(text));
    let factor = match unit {
        "" | "Hz" | "hz" => 1.0,
        "kHz" | "khz" => 1e3,
        "MHz" => 1e6,
        _ => return Err(format!("unknown unit {unit:?} (try 100Hz or 1kHz)")),
    };
    let hertz = number.parse::<f64>().map_err(|_| "not a number (try 100Hz)".to_owned())? * factor;
    if !(hertz.is_finite() && hertz > 0.0) {
        return Err("a rate is more than 0 Hz".to_owned());
    }
    Duration::try_from_secs_f64(hertz.recip()).map_err(|_| "a message in more than a lifetime".to_owned())
}

/// Reads a size in bytes such as `64`, `4kB` (1000) or `4KiB` (1024).
pub(crate) fn size(text: &str) -> Result<u32, String> {
    let size = u32::try_from(any_size(text)?).ok().filter(|size| *size <= SIZE_MAX);
    size.ok_or_else(|| "at most 64MiB".to_owned())
}

fn any_size(text: &str) -> Result<u64, String> {
    let (number, unit) = split_unit(text);
    let factor = match unit {
        "" | "B" => 1,
        "kB" => 1_000,
        "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "GiB" => 1 << 30,
        _ => return Err(format!("unknown unit {unit:?} (try 64, 4kB or 1MiB)")),
    };
    let number =
        number.parse::<u64>().map_err(|_| "not a whole number of bytes (try 64, 4kB or 1MiB)".to_owned())?;
    Ok(number.saturating_mul(factor))
}

/// A bound in bytes; `None`: there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bound(pub(crate) Option<u64>);

/// Reads a bound in bytes such as `8MiB`, or `none`.
pub(crate) fn bound(text: &str) -> Result<Bound, String> {
    if text == "none" {
        return Ok(Bound(None));
    }
    match any_size(text)? {
        0 => Err("nothing at all could wait (try 8MiB, or none for no bound)".to_owned()),
        size => Ok(Bound(Some(size))),
    }
}

/// The largest size that [`size`] accepts.
const SIZE_MAX: u32 = 64 << 20;

/// Reads octets: the text's own, or `0x` and hexadecimal digits for those that cannot be typed.
pub(crate) fn octets(text: &str) -> Result<Bytes, String> {
    match text.strip_prefix("0x") {
        Some(digits) => from_hex(digits.as_bytes()).map(Bytes::from),
        None => Ok(Bytes::copy_from_slice(text.as_bytes())),
    }
}

/// Reads pairs of hexadecimal digits.
pub(crate) fn from_hex(digits: &[u8]) -> Result<Vec<u8>, String> {
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(format!("{} hexadecimal digits; an octet has two", digits.len()));
    }
    let nibble = |digit: u8| {
        char::from(digit)
            .to_digit(16)
            .and_then(|value| u8::try_from(value).ok())
            .ok_or_else(|| format!("{:?} is not a hexadecimal digit", char::from(digit)))
    };
    pairs.iter().map(|&[high, low]| Ok(nibble(high)? << 4 | nibble(low)?)).collect()
}

fn split_unit(text: &str) -> (&str, &str) {
    let text = text.trim();
    let number = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    (number.trim_end(), text.get(number.len()..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_become_intervals() {
        assert_eq!(rate("100Hz"), Ok(Duration::from_millis(10)));
        assert_eq!(rate("100"), Ok(Duration::from_millis(10)));
        assert_eq!(rate("100/s"), Ok(Duration::from_millis(10)));
        assert_eq!(rate("0.5 Hz"), Ok(Duration::from_secs(2)));
        assert_eq!(rate("2kHz"), Ok(Duration::from_micros(500)));
        for wrong in ["", "Hz", "0", "-1", "nan", "inf", "1e-300", "10s", "1 0"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_have_units_and_a_limit() {
        assert_eq!(size("0"), Ok(0));
        assert_eq!(size("4kB"), Ok(4_000));
        assert_eq!(size("4 KiB"), Ok(4_096));
        assert_eq!(size("64MiB"), Ok(SIZE_MAX));
        assert_eq!(bound("8MiB"), Ok(Bound(Some(8 << 20))));
        assert_eq!((bound("2GiB"), bound("none")), (Ok(Bound(Some(2 << 30))), Ok(Bound(None))));
        assert!(bound("0").is_err() && bound("no").is_err());
        for wrong in ["", "-1", "65MiB", "4096MiB", "1.5kB", "3kb"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn octets_are_text_or_hexadecimal() {
        assert_eq!(octets("abc").as_deref(), Ok(&b"abc"[..]));
        assert_eq!(octets("0x00fF").as_deref(), Ok(&b"\x00\xff"[..]));
        assert!(octets("0x0").is_err());
        assert!(octets("0xzz").is_err());
        assert!(from_hex("ä".as_bytes()).is_err());
    }

    #[test]
    fn durations_need_units() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert!(duration("5").is_err_and(|why| why.contains("try 250ms")));
    }
}
