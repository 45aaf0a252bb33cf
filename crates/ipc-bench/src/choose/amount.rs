//! Sizes and rates, as people write them.

/// The longest message that can be asked for: 1 TB.
const SIZE_MAX: u64 = 1_000_000_000_000;
/// The highest rate that can be asked for, in messages per second.
const RATE_MAX: f64 = 1e9;

/// Units of sizes, the greatest of each kind first.
const SIZES: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

/// Reads a size such as `64`, `4kB` (4000 octets) or `1MiB`.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text);
    let factor = SIZES
        .iter()
        .find_map(|(known, factor)| (*known == unit).then_some(*factor))
        .or_else(|| unit.is_empty().then_some(1))
        .ok_or_else(|| format!("unknown unit {unit:?} (try 64, 4kB or 1MiB)"))?;
    let number: u64 =
        number.parse().map_err(|_| "not a whole number of octets (try 64, 4kB or 1MiB)".to_owned())?;
    number.checked_mul(factor).filter(|size| *size <= SIZE_MAX).ok_or_else(|| "at most 1000GB".to_owned())
}

/// Reads a rate such as `1000`, `1000/s`, `100Hz` or `2.5kHz`, in messages per second.
pub(super) fn rate(text: &str) -> Result<f64, String> {
    let text = text.trim();
    let (number, unit) = split(text.strip_suffix("/s").unwrap_or(text));
    let factor = match unit {
        "" | "Hz" | "hz" => 1.0,
        "k" | "kHz" | "khz" => 1e3,
        "M" | "MHz" => 1e6,
        _ => return Err(format!("unknown unit {unit:?} (try 1000/s or 1kHz)")),
    };
    let rate = number.parse::<f64>().map_err(|_| "not a number (try 1000/s or 1kHz)".to_owned())? * factor;
    if rate.is_finite() && rate > 0.0 && rate <= RATE_MAX {
        Ok(rate)
    } else {
        Err("a rate is more than 0/s and at most 1000000000/s".to_owned())
    }
}

/// Writes a size as [`size`] reads it.
pub(super) fn size_text(size: u64) -> String {
    let fits = |factor: u64| factor > 1 && size >= factor && size.is_multiple_of(factor);
    match SIZES.iter().find(|(_, factor)| fits(*factor)) {
        Some((unit, factor)) => format!("{}{unit}", size / factor),
        None => size.to_string(),
    }
}

/// Writes a rate as [`rate`] reads it.
pub(super) fn rate_text(rate: f64) -> String {
    format!("{rate}/s")
}

fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let number = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    (number.trim_end(), text.get(number.len()..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_and_a_limit() {
        for (text, octets) in
            [("0", 0), ("64", 64), ("64B", 64), ("4kB", 4000), ("4 KiB", 4096), ("8MiB", 8 << 20)]
        {
            assert_eq!(size(text), Ok(octets), "{text}");
            assert_eq!(size(&size_text(octets)), Ok(octets), "{text}");
        }
        for wrong in
            ["", "-1", "1.5kB", "3kb", "kB", "1001GB", "99999999999999999999", "18446744073709551615GiB"]
        {
            assert!(size(wrong).is_err(), "{wrong}");
        }
        assert_eq!(size_text(4096), "4KiB");
        assert_eq!(size_text(1000), "1kB");
        assert_eq!(size_text(1001), "1001");
    }

    #[test]
    fn rates_have_units_and_limits() {
        for (text, expected) in
            [("1000", 1000.0), ("1000/s", 1000.0), ("100Hz", 100.0), ("2.5kHz", 2500.0), ("0.1/s", 0.1)]
        {
            assert_eq!(rate(text), Ok(expected), "{text}");
            assert_eq!(rate(&rate_text(expected)), Ok(expected), "{text}");
        }
        for wrong in ["", "0", "-5", "nan", "inf", "fast", "10s", "2000MHz", "1/m"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }
}
