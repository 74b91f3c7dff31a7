//! Reading `/proc`; all is zero where there is none.

use std::collections::BTreeMap;

/// Linux shows processor time in this many ticks a second to every program, whatever it counts in itself.
const TICKS_PER_SECOND: f64 = 100.0;

/// What some processes and all below them have used so far.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Snapshot {
    /// Processor time, with that of children that have ended, in seconds.
    pub cpu_seconds: f64,
    /// Memory now, in bytes; memory that processes share is counted once.
    pub rss_bytes: f64,
}

/// The fields of `/proc/PID/stat` that matter here, see proc(5).
struct Stat {
    parent: u32,
    own_ticks: f64,
    children_ticks: f64,
}

/// These processes and their descendants.
pub fn of_tree(roots: &[u32]) -> Snapshot {
    of_tree_without(roots, &[])
}

/// These processes and their descendants, but for those at and below `others`.
pub fn of_tree_without(roots: &[u32], others: &[u32]) -> Snapshot {
    let all = all_processes();
    let mut wanted: Vec<u32> = roots.to_vec();
    let mut seen = 0;
    while let Some(&pid) = wanted.get(seen) {
        seen += 1;
        let children = all.iter().filter(|(child, stat)| stat.parent == pid && !others.contains(child));
        wanted.extend(children.map(|(child, _)| *child));
    }
    let ticks = wanted.iter().filter_map(|pid| all.get(pid)).map(|stat| stat.own_ticks + stat.children_ticks);
    let memory: Vec<(f64, f64)> = wanted.iter().map(|pid| memory_of(*pid)).collect();
    let own: f64 = memory.iter().map(|(own, _)| own).sum();
    let shared = memory.iter().map(|(_, shared)| *shared).fold(0.0, f64::max);
    Snapshot { cpu_seconds: ticks.sum::<f64>() / TICKS_PER_SECOND, rss_bytes: own + shared }
}

/// Processor time that the machine has spent on anything, in seconds.
pub fn busy_seconds() -> f64 {
    busy_in(&std::fs::read_to_string("/proc/stat").unwrap_or_default())
}

/// The first line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal.
fn busy_in(stat: &str) -> f64 {
    let fields = stat.lines().next().unwrap_or_default().split_whitespace().skip(1);
    let ticks: Vec<f64> = fields.take(8).filter_map(|field| field.parse().ok()).collect();
    let idle: f64 = ticks.iter().skip(3).take(2).sum();
    (ticks.iter().sum::<f64>() - idle) / TICKS_PER_SECOND
}

fn all_processes() -> BTreeMap<u32, Stat> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_string_lossy().parse::<u32>().ok());
    pids.filter_map(|pid| Some((pid, parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?))).collect()
}

fn parse(stat: &str) -> Option<Stat> {
    // The name, in brackets, may hold anything; the state comes after it.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        own_ticks: ticks(11)? + ticks(12)?,
        children_ticks: ticks(13)? + ticks(14)?,
    })
}

/// Memory of one process that is its own, and memory that it shares (PostgreSQL's buffers), in bytes.
fn memory_of(pid: u32) -> (f64, f64) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    memory_in(&status)
}

fn memory_in(status: &str) -> (f64, f64) {
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or_default()
    };
    let shared = kib("RssShmem:");
    ((kib("VmRSS:") - shared) * 1024.0, shared * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::{Stat, all_processes, busy_in, memory_in, of_tree, of_tree_without, parse};
    use std::process::{Command, Stdio};

    #[test]
    fn reads_a_stat_line_with_brackets_in_the_name() {
        let stat = parse("42 (a (b) c) S 7 42 42 0 -1 4194304 1 2 3 4 100 50 10 5 20 0 1 0 99").unwrap();
        assert_eq!((stat.parent, stat.own_ticks, stat.children_ticks), (7, 150.0, 15.0));
    }

    #[test]
    fn tells_shared_memory_from_a_process_own() {
        let status = "VmHWM:\t  900 kB\nVmRSS:\t  800 kB\nRssAnon:\t  300 kB\nRssShmem:\t  500 kB\n";
        assert_eq!(memory_in(status), (300.0 * 1024.0, 500.0 * 1024.0));
    }

    #[test]
    fn waiting_is_not_being_busy() {
        assert_eq!(busy_in("cpu  100 200 300 9999 8888 1 2 97 55 55\ncpu0 1 1 1\n"), 7.0);
        assert_eq!(busy_in(""), 0.0);
    }

    #[test]
    fn leaves_out_what_belongs_to_others() {
        // A shell and what it waits for, which both stay as they are until their input ends: the process of the tests does
        // not, others run in it.
        let mut shell = Command::new("sh").args(["-c", "cat; :"]).stdin(Stdio::piped()).spawn().unwrap();
        let is_cat = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "cat\n");
        let below = |(pid, stat): (u32, Stat)| (stat.parent == shell.id() && is_cat(pid)).then_some(pid);
        let cat = loop {
            if let Some(pid) = all_processes().into_iter().find_map(below) {
                break pid;
            }
            std::thread::yield_now();
        };
        let without = of_tree_without(&[shell.id()], &[cat]).rss_bytes;
        let all = of_tree(&[shell.id()]).rss_bytes;
        drop(shell.stdin.take());
        shell.wait().unwrap();
        assert!(0.0 < without && without < all, "{without} {all}");
    }

    #[test]
    fn finds_itself() {
        assert!(of_tree(&[std::process::id()]).rss_bytes > 100_000.0);
        assert_eq!(of_tree(&[u32::MAX]).rss_bytes, 0.0);
    }
}
