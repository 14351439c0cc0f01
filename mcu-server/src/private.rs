//! Files and folders that only their owner may look into. Used at the start by whoever keeps a secret on disk.
//!
//! What is made here is private from its first moment on: the mode goes with the system call that makes it.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Mode bits of everybody but the owner.
const OTHERS: u32 = 0o077;

/// Makes a folder, with the folders above it, that only its owner may enter. One that exists stays as it is.
///
/// # Errors
/// What the kernel says.
pub(crate) fn make_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes an empty file that only its owner may read; one that exists keeps its content and becomes private, too.
///
/// # Errors
/// What the kernel says.
pub(crate) fn make_file(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    if is_open_to_others(&file)? { file.set_permissions(Permissions::from_mode(0o600)) } else { Ok(()) }
}

/// Writes a file that only its owner may read, over one that may be there.
///
/// # Errors
/// What the kernel says.
pub(crate) fn write(path: &Path, content: &str) -> io::Result<()> {
    make_file(path)?;
    OpenOptions::new().write(true).truncate(true).open(path)?.write_all(content.as_bytes())
}

/// Whether anybody but its owner may do anything with `file`.
///
/// # Errors
/// What the kernel says.
pub(crate) fn is_open_to_others(file: &File) -> io::Result<bool> {
    Ok(file.metadata()?.permissions().mode() & OTHERS != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).expect("exists").permissions().mode() & 0o777
    }

    #[test]
    fn what_is_made_is_its_owners_alone() {
        let root = std::env::temp_dir().join(format!("mcu-private-{}", std::process::id()));
        let dir = root.join("data");
        make_dir(&dir).expect("made");
        make_dir(&dir).expect("there already");
        assert_eq!([mode(&root), mode(&dir)], [0o700; 2]);

        let file = dir.join("secret");
        write(&file, "first").expect("written");
        assert_eq!(mode(&file), 0o600);
        std::fs::set_permissions(&file, Permissions::from_mode(0o644)).expect("ours");
        assert!(is_open_to_others(&File::open(&file).expect("opens")).expect("looks"));
        make_file(&file).expect("kept");
        assert_eq!(
            (mode(&file), std::fs::read_to_string(&file).expect("reads")),
            (0o600, "first".to_owned())
        );
        write(&file, "second").expect("written over");
        assert_eq!(std::fs::read_to_string(&file).expect("reads"), "second");
        std::fs::remove_dir_all(&root).expect("clean up");
    }
}
