//! The machine: what it is, and who else uses it meanwhile.

use std::fs;
use std::thread::available_parallelism;
use std::time::Instant;

use crate::report::Machine;

impl Machine {
    /// Looks at this machine. What it does not tell is absent.
    #[must_use]
    pub fn look() -> Self {
        let system = rustix::system::uname();
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let octets = |name| field(&memory, name).and_then(leading).unwrap_or(0).saturating_mul(1024);
        Self {
            kernel: format!("{} {}", system.sysname().to_string_lossy(), system.release().to_string_lossy()),
            architecture: system.machine().to_string_lossy().into_owned(),
            processor: field(&cpu, "model name").map(str::to_owned),
            cores: cores(),
            virtual_machine: virtual_machine(&cpu),
            governor: first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            clock: first_line("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
            memory: octets("MemTotal"),
            memory_available: octets("MemAvailable"),
            load: first_line("/proc/loadavg").as_deref().and_then(load),
            others_cpu: None,
            stolen_cpu: None,
        }
    }
}

fn cores() -> u32 {
    available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX))
}

/// The value of a line `name: value`.
fn field<'a>(table: &'a str, name: &str) -> Option<&'a str> {
    let lines = table.lines().filter_map(|line| line.split_once(':'));
    let mut values = lines.filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim());
    values.next().filter(|value| !value.is_empty())
}

fn leading(value: &str) -> Option<u64> {
    value.split_ascii_whitespace().next()?.parse().ok()
}

fn first_line(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().next().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty())
}

fn load(line: &str) -> Option<[f64; 3]> {
    let mut loads = line.split_ascii_whitespace().map(|load| load.parse().ok());
    Some([loads.next()??, loads.next()??, loads.next()??])
}

fn virtual_machine(cpu: &str) -> Option<String> {
    // The processor says so itself; other architectures have no such flag, but their hypervisors have a name.
    let is_guest = field(cpu, "flags").is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor"));
    let name = first_line("/sys/hypervisor/type")
        .or_else(|| is_guest.then(|| first_line("/sys/class/dmi/id/sys_vendor")).flatten());
    if is_guest { Some(name.unwrap_or_else(|| "a hypervisor".to_owned())) } else { name }
}

/// The time that others use while we measure.
#[derive(Debug)]
pub(crate) struct Watch {
    begun: Instant,
    ticks: Ticks,
}

/// Time of all cores so far, in the kernel's ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ticks {
    /// All that is not idle.
    busy: u64,
    /// What the hypervisor gave to others.
    stolen: u64,
    /// What this process and those that it has waited for have used.
    own: u64,
}

impl Watch {
    pub(crate) fn start() -> Self {
        Self { begun: Instant::now(), ticks: Ticks::now() }
    }

    /// Notes the shares of what has been since.
    pub(crate) fn note(&self, machine: &mut Machine) {
        let (now, then) = (Ticks::now(), self.ticks);
        let all = self.begun.elapsed().as_secs_f64() * f64::from(cores()) * TICKS_PER_SECOND;
        let share = |ticks: u64| (ticks as f64 / all.max(1.0)).min(1.0);
        let busy = now.busy.saturating_sub(then.busy);
        machine.others_cpu = Some(share(busy.saturating_sub(now.own.saturating_sub(then.own))));
        machine.stolen_cpu = Some(share(now.stolen.saturating_sub(then.stolen)));
    }
}

/// What the kernel counts time in when it tells programs: `USER_HZ`, the same on every Linux of today.
const TICKS_PER_SECOND: f64 = 100.0;

impl Ticks {
    fn now() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        Self::of(&read("/proc/stat"), &read("/proc/self/stat"))
    }

    /// Reads `/proc/stat` and `/proc/self/stat`: proc_stat(5), proc_pid_stat(5).
    fn of(all: &str, own: &str) -> Self {
        let number = |text: &str| text.parse::<u64>().unwrap_or(0);
        // cpu user nice system idle iowait irq softirq steal …
        let all: Vec<u64> =
            all.lines().next().unwrap_or_default().split_ascii_whitespace().skip(1).map(number).collect();
        let sum = |fields: &[usize]| fields.iter().filter_map(|field| all.get(*field)).sum();
        // Behind the name in parentheses: state is field 3; utime, stime, cutime, cstime are 14 to 17.
        let own = own.rsplit_once(')').map_or("", |(_, rest)| rest).split_ascii_whitespace();
        Self { busy: sum(&[0, 1, 2, 5, 6]), stolen: sum(&[7]), own: own.skip(11).take(4).map(number).sum() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_kernel_cores_and_memory() {
        let machine = Machine::look();
        assert!(machine.kernel.starts_with("Linux "), "{machine:?}");
        assert!(machine.cores >= 1 && machine.memory > machine.memory_available / 2);
        assert!(machine.load.is_some());
    }

    #[test]
    fn times_are_read_from_the_kernels_tables() {
        let own = "77 (a ) b) S 1 2 3 4 5 6 7 8 9 10 100 20 3 4 5 6";
        let ticks = Ticks::of("cpu  1 2 4 1000 1000 8 16 32 0 0\ncpu0 9 9\n", own);
        assert_eq!(ticks, Ticks { busy: 31, stolen: 32, own: 127 });
        assert_eq!(Ticks::of("", ""), Ticks::default());
    }

    #[test]
    fn a_guest_is_told_by_its_processor() {
        assert!(virtual_machine("flags\t\t: fpu hypervisor sse\n").is_some());
        assert_eq!(field("a : 1\nab: 2\n", "a"), Some("1"));
        assert_eq!(load("0.5 1.0 2.25 1/2 3"), Some([0.5, 1.0, 2.25]));
        assert_eq!(load("0.5"), None);
    }
}
