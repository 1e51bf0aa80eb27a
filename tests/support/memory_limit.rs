//! A limit to the memory of a connector, and whether the kernel killed it for that.
//!
//! A control group, of version 1 or 2, whichever this machine lets us make. Where neither can be made, a limit to the
//! address space, which is stricter: an allocation then fails, and nobody is killed.

use super::{guard, unique_name};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub struct MemoryLimit {
    bytes: u64,
    group: Option<Group>,
}

/// A control group, and what its files are called.
struct Group {
    directory: PathBuf,
    names: Names,
}

#[derive(Clone, Copy)]
struct Names {
    /// Where groups are made.
    root: &'static str,
    limit: &'static str,
    /// The same for memory and swap together, or for swap alone: then none.
    swap: (&'static str, bool),
    most: &'static str,
    events: &'static str,
}

const VERSIONS: [Names; 2] = [
    Names {
        root: "/sys/fs/cgroup/memory",
        limit: "memory.limit_in_bytes",
        swap: ("memory.memsw.limit_in_bytes", true),
        most: "memory.max_usage_in_bytes",
        events: "memory.oom_control",
    },
    Names {
        root: "/sys/fs/cgroup",
        limit: "memory.max",
        swap: ("memory.swap.max", false),
        most: "memory.peak",
        events: "memory.events",
    },
];

impl MemoryLimit {
    pub fn new(bytes: u64) -> MemoryLimit {
        let group = VERSIONS.into_iter().find_map(|names| Group::make(names, bytes));
        MemoryLimit { bytes, group }
    }

    /// Whether the kernel kills whoever goes beyond it.
    pub fn kills(&self) -> bool {
        self.group.is_some()
    }

    /// How many processes the kernel has killed for it.
    pub fn killed(&self) -> u64 {
        let Some(group) = &self.group else { return 0 };
        let events = group.read(group.names.events);
        let count = events.lines().find_map(|line| line.strip_prefix("oom_kill "));
        count.and_then(|count| count.trim().parse().ok()).expect("a count")
    }

    /// The most that was ever used, page cache included; none where that is not counted.
    pub fn most(&self) -> Option<u64> {
        let group = self.group.as_ref()?;
        fs::read_to_string(group.directory.join(group.names.most)).ok()?.trim().parse().ok()
    }

    /// The same command, under the limit and with the same process id.
    pub(crate) fn wrap(&self, command: &Command) -> Command {
        let mut wrapped = match &self.group {
            Some(group) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", r#"echo $$ >"$0" && exec "$@""#]);
                shell.arg(group.directory.join("cgroup.procs"));
                shell
            }
            None => {
                let mut prlimit = Command::new("prlimit");
                prlimit.arg(format!("--as={}", self.bytes));
                prlimit
            }
        };
        wrapped.arg(command.get_program()).args(command.get_args());
        let set = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
        wrapped.envs(set);
        if let Some(directory) = command.get_current_dir() {
            wrapped.current_dir(directory);
        }
        wrapped
    }
}

impl Group {
    fn make(names: Names, bytes: u64) -> Option<Group> {
        let directory = Path::new(names.root).join(unique_name("walpost"));
        fs::create_dir(&directory).ok()?;
        guard::ungroup(&directory);
        let group = Group { directory, names };
        // A directory beside the groups, or a group without this controller, has no such file.
        let set = |name: &str, value: u64| fs::write(group.directory.join(name), value.to_string());
        if !group.directory.join(names.limit).exists() || set(names.limit, bytes).is_err() {
            return None;
        }
        let (swap, with_memory) = names.swap;
        // Not there without swap, and then there is nothing to forbid.
        let _ = set(swap, if with_memory { bytes } else { 0 });
        Some(group)
    }

    fn read(&self, name: &str) -> String {
        let path = self.directory.join(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // What ran in it may take a moment to be gone; the guard tries again.
        for _ in 0..50 {
            if fs::remove_dir(&self.directory).is_ok() {
                return guard::ungrouped(&self.directory);
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}
