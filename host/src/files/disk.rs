//! Reading a whole file, and writing one so that it is there complete or not at all.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, shown};

/// No data or model of this crate's scale comes near it; a device that never ends does.
const LARGEST_FILE: u64 = 1 << 30;

/// The bytes of the file at `path`, at most 1 GiB.
///
/// # Errors
/// When the file is missing, unreadable, a folder, or larger than that.
pub fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let failed =
        |error: io::Error| Error::file(shown(path), format!("cannot be read: {}", why(&error)));
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_dir() {
        return Err(Error::file(shown(path), "is a folder, not a file"));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if u64::try_from(bytes.len()).is_ok_and(|n| n > LARGEST_FILE) {
        return Err(Error::file(shown(path), "is larger than 1 GiB"));
    }
    Ok(bytes)
}

/// Writes `bytes` to `path`: into a temporary file beside it, flushed to the disk, then renamed.
///
/// Whatever fails, a file that was at `path` before is still there, whole. A symbolic link is
/// followed; a device or a pipe, which cannot be replaced, is written to directly.
///
/// # Errors
/// When the folder does not exist or cannot be written to, when `path` is a folder, or when the
/// disk fails.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let failed = |error: io::Error| cannot_be_written(path, &error);
    let Place { folder, target } = match place(path)? {
        Target::Replace(place) => place,
        Target::Device(device) => {
            return File::options()
                .write(true)
                .open(device)
                .and_then(|mut device| device.write_all(bytes))
                .map_err(failed);
        }
    };
    let mut temporary = temporary_in(&folder).map_err(failed)?;
    temporary.write_all(bytes).map_err(failed)?;
    temporary.as_file().sync_all().map_err(failed)?;
    temporary
        .persist(&target)
        .map_err(|error| failed(error.error))?;
    Ok(())
}

/// Checks that a file could be written to `path`, without touching what is there: a long run shall not
/// end at a misspelt folder.
///
/// # Errors
/// As [`write_atomic`], as far as it can be known beforehand.
pub fn check_writable(path: &Path) -> Result<(), Error> {
    match place(path)? {
        Target::Device(_) => Ok(()),
        Target::Replace(Place { folder, .. }) => temporary_in(&folder)
            .map(drop)
            .map_err(|error| cannot_be_written(path, &error)),
    }
}

/// The file that `path` stands for, by the one name that all paths to it share; `None` for a device or a pipe,
/// which several may use, and for what has no folder to be in.
///
/// Of a file that is not there yet, the folder is resolved, and a link to it followed: once the file is written,
/// the link leads to it.
pub fn destination(path: &Path) -> Option<PathBuf> {
    // As many as the system follows.
    const MOST_LINKS: usize = 40;
    let mut path = path.to_path_buf();
    for _ in 0..MOST_LINKS {
        if let Ok(existing) = fs::canonicalize(&path) {
            return existing.is_file().then_some(existing);
        }
        let folder = match path.parent()? {
            here if here.as_os_str().is_empty() => Path::new("."),
            parent => parent,
        };
        match fs::read_link(&path) {
            Ok(target) => path = folder.join(target),
            Err(_) => return Some(fs::canonicalize(folder).ok()?.join(path.file_name()?)),
        }
    }
    None
}

/// Where a file goes, links followed.
struct Place {
    folder: PathBuf,
    target: PathBuf,
}

/// What stands at a path.
enum Target {
    /// Nothing yet, or a file.
    Replace(Place),
    /// A device or a pipe.
    Device(PathBuf),
}

fn place(path: &Path) -> Result<Target, Error> {
    let target = match fs::canonicalize(path) {
        Ok(existing) if existing.is_dir() => {
            return Err(Error::file(shown(path), "is a folder, not a file"));
        }
        Ok(existing) if !existing.is_file() => return Ok(Target::Device(existing)),
        Ok(existing) => existing,
        Err(_) => path.to_path_buf(),
    };
    let folder = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    };
    if target.file_name().is_none() {
        return Err(Error::file(shown(path), "is not the name of a file"));
    }
    if !folder.is_dir() {
        return Err(Error::file(
            shown(path),
            format!("cannot be written: there is no folder `{}`", shown(&folder)),
        ));
    }
    Ok(Target::Replace(Place { folder, target }))
}

fn cannot_be_written(path: &Path, error: &io::Error) -> Error {
    Error::file(shown(path), format!("cannot be written: {}", why(error)))
}

/// A temporary file whose permissions are those of any new file, not the private ones of a secret.
fn temporary_in(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.prefix(".natgrad-").tempfile_in(folder)
}

/// The reason in plain words, where the system's own are not.
pub(crate) fn why(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "there is no such file".into(),
        ErrorKind::PermissionDenied => "permission denied".into(),
        ErrorKind::IsADirectory => "it is a folder".into(),
        ErrorKind::NotADirectory => "a part of its path is not a folder".into(),
        ErrorKind::StorageFull => "the disk is full".into(),
        ErrorKind::ReadOnlyFilesystem => "the file system is read-only".into(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_written_is_read_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.bin");
        for bytes in [&b"first, and longer"[..], b"second", b""] {
            write_atomic(&path, bytes).unwrap();
            assert_eq!(read(&path).unwrap(), bytes);
            assert_eq!(names(folder.path()), ["out.bin"]);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_new_file_has_the_permissions_of_any_new_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (ours, plain) = (folder.path().join("ours"), folder.path().join("plain"));
        write_atomic(&ours, b"x").unwrap();
        fs::write(&plain, b"x").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&plain));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_followed_and_a_device_is_not_replaced() {
        use std::os::unix::fs::{FileTypeExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::write(&real, b"old").unwrap();
        symlink(&real, &link).unwrap();
        write_atomic(&link, b"new").unwrap();
        assert_eq!(fs::read(&real).unwrap(), b"new");
        assert!(link.is_symlink());

        write_atomic(Path::new("/dev/null"), b"gone").unwrap();
        assert!(
            fs::metadata("/dev/null")
                .unwrap()
                .file_type()
                .is_char_device()
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_file_has_one_destination_whatever_leads_to_it() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("inner")).unwrap();
        symlink("inner", at("way")).unwrap();
        symlink("file", at("link")).unwrap();
        symlink("link", at("further")).unwrap();
        symlink("round", at("round")).unwrap();
        for exists in [false, true] {
            let file = destination(&at("file")).unwrap();
            for other in ["link", "further", "inner/../file", "way/../file"] {
                assert_eq!(destination(&at(other)).as_ref(), Some(&file), "{other}");
            }
            let inside = destination(&at("inner/file"));
            assert!(inside.is_some() && inside.as_ref() != Some(&file));
            assert_eq!(destination(&at("way/file")), inside);
            assert!(!exists || at("file").is_file());
            fs::write(at("file"), b"x").unwrap();
        }
        for nowhere in [
            Path::new("/dev/null"),
            &at("round"),
            &at("no/such"),
            Path::new(""),
        ] {
            assert_eq!(destination(nowhere), None, "{}", nowhere.display());
        }
    }

    #[test]
    fn bad_places_give_one_sentence_and_leave_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("no/such/out.bin");
        let file = folder.path().join("file");
        fs::write(&file, b"x").unwrap();
        let below = file.join("out.bin");
        for (path, words) in [
            (folder.path(), "is a folder, not a file"),
            (missing.as_path(), "there is no folder"),
            (below.as_path(), "there is no folder"),
            (Path::new(""), "is not the name of a file"),
            (Path::new(".."), "is a folder, not a file"),
        ] {
            let message = write_atomic(path, b"x").unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
            assert!(!message.contains('\n'), "{message}");
        }
        assert_eq!(names(folder.path()), ["file"]);
        for (path, words) in [
            (missing.as_path(), "there is no such file"),
            (folder.path(), "is a folder"),
            (below.as_path(), "is not a folder"),
        ] {
            let message = read(path).unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
        }
    }
}
