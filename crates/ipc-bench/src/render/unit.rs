//! Numbers with units, short enough for a table.

use crate::report::Figure;

/// Nanoseconds as time: "85 ns", "4.31 µs", "1.2 ms".
pub(super) fn time(ns: f64) -> String {
    scaled(ns, &[(1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns")])
}

/// A rate: "1.25 M", "830 k", "95".
pub(super) fn rate(rate: f64) -> String {
    scaled(rate, &[(1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, "")]).trim_end().to_owned()
}

/// Octets: "64 B", "4 KiB", "8 MiB".
pub(super) fn size(octets: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    for (unit, name) in UNITS {
        if octets >= unit && octets.is_multiple_of(unit) {
            return format!("{} {name}", octets / unit);
        }
    }
    format!("{octets} B")
}

/// Octets of memory: "5.2 MiB".
pub(super) fn memory(octets: u64) -> String {
    scaled(octets as f64, &[(1_073_741_824.0, "GiB"), (1_048_576.0, "MiB"), (1_024.0, "KiB"), (1.0, "B")])
}

/// Three digits.
pub(super) fn digits(value: f64) -> String {
    let magnitude = value.abs();
    match magnitude {
        0.0 => "0".to_owned(),
        _ if magnitude < 0.001 => format!("{value:.0e}"),
        _ if magnitude < 0.995 => format!("{value:.3}"),
        _ if magnitude < 9.995 => format!("{value:.2}"),
        _ if magnitude < 99.95 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// How far the rounds lie apart: "±12 %" is that half.
pub(super) fn spread(figure: &Figure) -> String {
    format!("±{:.0} %", figure.spread() * 50.0)
}

fn scaled(value: f64, units: &[(f64, &str)]) -> String {
    let fitting = units.iter().find(|(factor, _)| value.abs() >= *factor * 0.9995).or_else(|| units.last());
    fitting.map_or_else(String::new, |(factor, name)| format!("{} {name}", digits(value / factor)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [85.0, 4_310.0, 1_234_567.0, 999.9].map(time),
            ["85.0 ns", "4.31 µs", "1.23 ms", "1.00 µs"]
        );
        assert_eq!([95.0, 830_000.0, 1_250_000.0].map(rate), ["95.0", "830 k", "1.25 M"]);
        assert_eq!(
            [0, 7, 64, 4096, 5000, 8 << 20].map(size),
            ["0 B", "7 B", "64 B", "4 KiB", "5000 B", "8 MiB"]
        );
        assert_eq!(memory(5_452_595), "5.20 MiB");
        assert_eq!([0.0, 0.0001, 0.25, 12.34, 1234.5].map(digits), ["0", "1e-4", "0.250", "12.3", "1234"]);
        assert_eq!(spread(&Figure { value: 100.0, low: 90.0, high: 110.0 }), "±10 %");
    }
}
