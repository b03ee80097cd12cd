//! Faults show what is done with an error; that something is made to last at all shows in the order of the
//! calls of a run that succeeds.

use std::path::Path;

use super::strace::Call;
use crate::support::Outcome;

/// Every object was synced before it got its name, and every directory above it afterwards. How many.
pub fn objects_last(calls: &[Call], repository: &Path) -> Outcome<usize> {
    let links: Vec<usize> = positions(calls, |call| call.name == "linkat");
    for &at in &links {
        let paths = quoted(&calls[at].text);
        let (Some(temporary), Some(directory)) = (paths.first(), descriptor(&calls[at].text)) else {
            return Err(format!("not understood: {}", calls[at].text).into());
        };
        let synced = |call: &Call, path: &str| call.name == "fsync" && call.text.contains(&format!("<{path}>"));
        let temporary = format!("{directory}/{temporary}");
        if !calls[..at].iter().any(|call| synced(call, &temporary)) {
            return Err(format!("{temporary} got its name before it was synced").into());
        }
        let above = Path::new(directory).ancestors().take_while(|path| path.starts_with(repository));
        for path in above {
            let path = path.to_string_lossy();
            if !calls[at..].iter().any(|call| synced(call, &path)) {
                return Err(format!("{path} was not synced after {}", calls[at].text).into());
            }
        }
    }
    Ok(links.len())
}

/// Everything that a restore wrote was synced before the control file got its name, and that name before the
/// mark was taken away.
pub fn control_file_comes_last(calls: &[Call], target: &Path, tablespace: &Path) -> Outcome {
    let target = target.to_string_lossy();
    let named = positions(calls, |call| call.name.starts_with("rename") && call.text.contains("\"global/pg_control\""));
    let [named] = named[..] else { return Err(format!("{} renames of the control file", named.len()).into()) };
    let writes =
        ["write", "pwrite64", "ftruncate", "openat", "openat2", "mkdir", "mkdirat", "symlinkat", "rename", "fchmod"];
    for place in [&*target, &*tablespace.to_string_lossy()] {
        let wrote = |call: &Call| {
            let changes = !call.name.starts_with("open") || call.text.contains("O_CREAT");
            writes.contains(&call.name.as_str()) && changes && call.text.contains(place)
        };
        let last = positions(&calls[..named], wrote).pop().ok_or("nothing was written")?;
        let sync = |call: &Call| call.name == "syncfs" && call.text.contains(&format!("<{place}>"));
        if !calls[last..named].iter().any(sync) {
            return Err(format!("{place} was not synced after {}", calls[last].text).into());
        }
        if let Some(late) = calls[named + 1..].iter().find(|call| wrote(call)) {
            return Err(format!("written after the control file: {}", late.text).into());
        }
    }
    let after = &calls[named..];
    let at = |what: &dyn Fn(&Call) -> bool| after.iter().position(what).ok_or("a call is missing after the rename");
    let global = at(&|call| call.name == "fsync" && call.text.contains(&format!("<{target}/global>")))?;
    let mark =
        at(&|call| call.name.starts_with("unlink") && call.text.contains(&format!("{target}/pgcairn_restore.json")))?;
    let root = after.iter().rposition(|call| call.name == "fsync" && call.text.contains(&format!("<{target}>")));
    if global < mark && root.is_some_and(|root| mark < root) { Ok(()) } else { Err("the mark went too early".into()) }
}

fn positions(calls: &[Call], wanted: impl Fn(&Call) -> bool) -> Vec<usize> {
    calls.iter().enumerate().filter(|(_, call)| wanted(call)).map(|(at, _)| at).collect()
}

/// The path of the first descriptor in a call.
fn descriptor(text: &str) -> Option<&str> {
    text.split_once('<')?.1.split_once('>').map(|(path, _)| path)
}

fn quoted(text: &str) -> Vec<&str> {
    text.split('"').skip(1).step_by(2).collect()
}
