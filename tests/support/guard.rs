//! Outlives the test process by a moment, to stop its servers and remove their files.
//!
//! The guard is a shell in a process group of its own that reads from a pipe what it would have to clean up. When
//! the test process ends, in whatever way, the pipe closes, and the guard kills and removes what is still
//! registered. Statics are never dropped, so the shared servers end this way too.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock};

const SCRIPT: &str = r#"
kills= mounts= groups= removes=
without() {
    left=
    for one in $2; do [ "$one" = "$1" ] || left="$left $one"; done
}
while read -r what value; do
    case $what in
        kill) kills="$kills $value" ;;
        spare) without "$value" "$kills"; kills=$left ;;
        unmount) mounts="$mounts $value" ;;
        unmounted) without "$value" "$mounts"; mounts=$left ;;
        ungroup) groups="$groups $value" ;;
        ungrouped) without "$value" "$groups"; groups=$left ;;
        remove) removes="$removes $value" ;;
        leave) without "$value" "$removes"; removes=$left ;;
    esac
done
for k in $kills; do kill -s KILL -- "-$k"; done
# At once for whoever looks, and in truth when the last who uses it has ended.
for m in $mounts; do umount -l "$m"; done
# What a killed server's children still write may outrun the first attempt.
for attempt in 1 2 3 4 5 6 7 8 9 10; do
    done=yes
    for g in $groups; do [ ! -d "$g" ] || rmdir "$g" || done=; done
    # shellcheck disable=SC2086
    rm -rf $removes && [ "$done" ] && exit 0
    sleep 0.2
done
"#;

/// Kill this process group when the test process ends.
pub(crate) fn kill(group: i32) {
    tell(&format!("kill {group}\n"));
}

/// The group has ended; its number may be another's soon.
pub(crate) fn spare(group: i32) {
    tell(&format!("spare {group}\n"));
}

/// Remove this directory when the test process ends.
pub(crate) fn remove(directory: &Path) {
    tell(&format!("remove {}\n", directory.display()));
}

/// The directory is gone already.
pub(crate) fn leave(directory: &Path) {
    tell(&format!("leave {}\n", directory.display()));
}

/// Unmount this when the test process ends.
pub(crate) fn unmount(directory: &Path) {
    tell(&format!("unmount {}\n", directory.display()));
}

/// It is unmounted already.
pub(crate) fn unmounted(directory: &Path) {
    tell(&format!("unmounted {}\n", directory.display()));
}

/// Remove this control group when the test process, and what runs in it, have ended.
pub(crate) fn ungroup(directory: &Path) {
    tell(&format!("ungroup {}\n", directory.display()));
}

/// The control group is gone already.
pub(crate) fn ungrouped(directory: &Path) {
    tell(&format!("ungrouped {}\n", directory.display()));
}

fn tell(line: &str) {
    static GUARD: OnceLock<Mutex<ChildStdin>> = OnceLock::new();
    let guard = GUARD.get_or_init(|| Mutex::new(start()));
    let mut pipe = guard.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    pipe.write_all(line.as_bytes()).expect("the guard is listening");
}

#[allow(clippy::zombie_processes, reason = "it ends after us")]
fn start() -> ChildStdin {
    let mut child = Command::new("sh")
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .current_dir("/")
        .process_group(0)
        .spawn()
        .expect("sh starts");
    child.stdin.take().expect("a piped stdin")
}
