//! A process in a group of its own: started, watched, signalled, killed with its children. And free ports for it.

use super::{PATIENCE, guard, wait_until};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::collections::BTreeSet;
use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::Duration;

/// A running server or connector. Dropped means killed.
pub(crate) struct Process {
    child: Child,
    exit: Option<ExitStatus>,
}

impl Process {
    /// Starts it without a stdin, its stdout and stderr appended to `log`.
    pub(crate) fn spawn(mut command: Command, log: &Path) -> Process {
        let log = File::options().create(true).append(true).open(log).expect("a log file");
        command.stdout(log.try_clone().expect("a second handle")).stderr(log).stdin(Stdio::null());
        Process::spawn_with_its_own_output(command)
    }

    /// The same, for a caller who has said where stdout and stderr go.
    pub(crate) fn spawn_with_its_own_output(mut command: Command) -> Process {
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.process_group(0).spawn().unwrap_or_else(|e| panic!("{program}: {e}"));
        guard::kill(child.id() as i32);
        Process { child, exit: None }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// How it ended, if it has.
    pub(crate) fn exit(&mut self) -> Option<ExitStatus> {
        if self.exit.is_none() {
            self.exit = self.child.try_wait().expect("our own child");
            if self.exit.is_some() {
                guard::spare(self.child.id() as i32);
            }
        }
        self.exit
    }

    pub(crate) fn wait_exit(&mut self, patience: Duration) -> ExitStatus {
        wait_until("the process ends", patience, || self.exit())
    }

    pub(crate) fn signal(&mut self, signal: Signal) {
        if self.exit().is_none() {
            let _ = kill_process(self.pid(), signal);
        }
    }

    /// kill -9 for it and its children, wherever their process groups are; returns when none is left.
    pub(crate) fn kill(&mut self) {
        if self.exit().is_some() {
            return;
        }
        // Stopped first, so that it starts no child after they were counted.
        let _ = kill_process(self.pid(), Signal::STOP);
        let children = children(self.child.id());
        let _ = kill_process_group(self.pid(), Signal::KILL);
        for child in &children {
            let _ = Pid::from_raw(*child as i32).map(|pid| kill_process(pid, Signal::KILL));
        }
        self.wait_exit(PATIENCE);
        wait_until("the children end", PATIENCE, || children.iter().all(|pid| !is_alive(*pid)).then_some(()));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The third and later fields of /proc/PID/stat: state, parent, … .
fn stat(pid: u32) -> Option<Vec<String>> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_name = &stat[stat.rfind(')')? + 2..];
    Some(after_name.split(' ').map(str::to_owned).collect())
}

/// User and system time so far (fields 14 and 15); Linux counts in hundredths of a second.
pub fn cpu_time(pid: u32) -> Option<Duration> {
    let fields = stat(pid)?;
    let ticks = fields.get(11..=12)?.iter().map(|field| field.parse::<u64>().ok()).sum::<Option<u64>>()?;
    Some(Duration::from_millis(10 * ticks))
}

/// A figure of proc(5)'s `status`, such as `VmHWM:`, in KiB.
pub fn status_kb(pid: u32, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

fn is_alive(pid: u32) -> bool {
    // A zombie whose new parent takes its time is as dead as can be.
    stat(pid).is_some_and(|fields| fields[0] != "Z" && fields[0] != "X")
}

fn children(parent: u32) -> Vec<u32> {
    let parent = parent.to_string();
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| stat(*pid).is_some_and(|fields| fields[1] == parent)).collect()
}

/// A loopback port that was free a moment ago. Taken from below the range of outgoing connections, so that a
/// server that was stopped finds its port free when it is started again.
pub fn free_port() -> u16 {
    static TAKEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let port = 12_000 + (random() % 20_000) as u16;
        let is_free = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if is_free && TAKEN.lock().expect("no panic while held").insert(port) {
            return port;
        }
    }
}

pub fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
