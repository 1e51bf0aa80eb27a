//! A file system of bounded size, so that a disk can be full.
//!
//! In memory, and mounted: that takes root and the right to mount, and without them it fails and says so. Dropped, it
//! is unmounted; the guard sees to it when the test process dies before.

use super::guard;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

pub struct Disk(PathBuf);

impl Disk {
    /// Makes the directory and mounts it.
    pub(crate) fn mount(directory: &Path, megabytes: u32) -> Disk {
        let needs = "a disk that can be full is a mounted file system, which takes root and CAP_SYS_ADMIN \
                     (docker run --cap-add SYS_ADMIN --security-opt apparmor=unconfined)";
        assert!(rustix::process::geteuid().is_root(), "not root: {needs}");
        std::fs::create_dir_all(directory).expect("a directory");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "walpost"]).arg(directory);
        let done = mount.output().unwrap_or_else(|error| panic!("mount: {error}: {needs}"));
        assert!(done.status.success(), "{}: {needs}", String::from_utf8_lossy(&done.stderr).trim());
        guard::unmount(directory);
        Disk(directory.to_path_buf())
    }

    /// Leaves no byte for anybody else.
    pub fn fill(&self) {
        let mut ballast = File::options().create(true).append(true).open(self.ballast()).expect("a file");
        // Smaller and smaller pieces, until not one byte more is taken.
        for piece in [1 << 20, 1 << 12, 1] {
            while ballast.write_all(&vec![0; piece]).is_ok() {}
        }
    }

    /// Gives back what `fill` took.
    pub fn free(&self) {
        std::fs::remove_file(self.ballast()).expect("it was filled");
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let done = Command::new("umount").arg("-l").arg(&self.0).status();
        // The guard tries again.
        if done.is_ok_and(|status| status.success()) {
            guard::unmounted(&self.0);
        }
    }
}
