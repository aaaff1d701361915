//! Who a container's program runs as, from the image's own `/etc/passwd` and `/etc/group`, by the
//! rules of Docker. The C library's look-up is never asked: inside an image it would run code of
//! the image's choice.

use super::Refusal;

/// The highest id that Docker takes.
const ID_MAX: u32 = 0x7FFF_FFFF;

/// A user, resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Further groups; none where the group was named.
    pub(super) more_gids: Vec<u32>,
    /// The home folder; `/` where the image does not know the user.
    pub(super) home: String,
}

/// Looks `wanted` up: `user`, `uid`, `user:group`, `uid:gid` or any mixture; none is root.
pub(super) fn look_up(wanted: Option<&str>, passwd: &str, group: &str) -> Result<User, Refusal> {
    let (user_name, group_name) = match wanted.unwrap_or_default().split_once(':') {
        Some((user, group)) => (user, group),
        None => (wanted.unwrap_or_default(), ""),
    };
    let account = account_of(user_name, passwd)?;
    let (gid, more_gids) = if group_name.is_empty() {
        (account.gid, account.name.map_or_else(Vec::new, |name| groups_with(name, group)))
    } else {
        (gid_of(group_name, group)?, Vec::new())
    };
    let home = if account.home.is_empty() { "/" } else { account.home };
    Ok(User { uid: account.uid, gid, more_gids, home: home.to_owned() })
}

struct Account<'a> {
    name: Option<&'a str>,
    uid: u32,
    gid: u32,
    home: &'a str,
}

fn account_of<'a>(wanted: &str, passwd: &'a str) -> Result<Account<'a>, Refusal> {
    let wanted = if wanted.is_empty() { "0" } else { wanted };
    let number = wanted.parse::<i64>().ok();
    let found = lines(passwd).find_map(|line| {
        let mut fields = line.split(':');
        let (name, _password) = (fields.next()?, fields.next()?);
        let (uid, gid) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let home = fields.nth(1).unwrap_or_default();
        let is_it = name == wanted || number == Some(i64::from(uid));
        is_it.then_some(Account { name: Some(name), uid, gid, home })
    });
    match (found, number) {
        (Some(account), _) => Ok(account),
        (None, Some(number)) => {
            Ok(Account { name: None, uid: in_range(number)?, gid: 0, home: "" })
        }
        (None, None) => {
            let message =
                format!("unable to find user {wanted}: no matching entries in passwd file");
            Err(Refusal::config(message))
        }
    }
}

fn gid_of(wanted: &str, group: &str) -> Result<u32, Refusal> {
    let number = wanted.parse::<i64>().ok();
    let found = lines(group).find_map(|line| {
        let (name, gid, _) = group_fields(line)?;
        (name == wanted || number == Some(i64::from(gid))).then_some(gid)
    });
    match (found, number) {
        (Some(gid), _) => Ok(gid),
        (None, Some(number)) => in_range(number),
        (None, None) => {
            let message =
                format!("unable to find group {wanted}: no matching entries in group file");
            Err(Refusal::config(message))
        }
    }
}

fn groups_with(user: &str, group: &str) -> Vec<u32> {
    let with = lines(group).filter_map(|line| {
        let (_, gid, members) = group_fields(line)?;
        members.split(',').any(|member| member == user).then_some(gid)
    });
    with.collect()
}

fn group_fields(line: &str) -> Option<(&str, u32, &str)> {
    let mut fields = line.split(':');
    let (name, _password) = (fields.next()?, fields.next()?);
    Some((name, fields.next()?.parse().ok()?, fields.next().unwrap_or_default()))
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn in_range(id: i64) -> Result<u32, Refusal> {
    u32::try_from(id).ok().filter(|id| *id <= ID_MAX).ok_or_else(|| {
        Refusal::config(format!("uids and gids must be in range 0-{ID_MAX}: {id} is not"))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PASSWD: &str = "# people\nroot:x:0:0:root:/root:/bin/sh\n\nbroken\nbad:x:y:z\n\
        job:x:1000:1001::/home/job:/bin/sh\n4000:x:77:78::/odd:\nnohome:x:5:6\n";
    const GROUP: &str = "root:x:0:\nwheel:x:10:root,job\nstaff:x:50:job\nempty:x:51\nbad:x:q:job\n";

    #[track_caller]
    fn check(wanted: &str, uid: u32, gid: u32, more: &[u32], home: &str) {
        let user = look_up(Some(wanted), PASSWD, GROUP).unwrap();
        let expected = User { uid, gid, more_gids: more.to_vec(), home: home.to_owned() };
        assert_eq!(user, expected, "{wanted}");
    }

    #[test]
    fn users_and_groups_are_found_as_docker_finds_them() {
        check("", 0, 0, &[10], "/root");
        check("job", 1000, 1001, &[10, 50], "/home/job");
        check("1000", 1000, 1001, &[10, 50], "/home/job");
        check("job:staff", 1000, 50, &[], "/home/job");
        check("job:9", 1000, 9, &[], "/home/job");
        check("1234", 1234, 0, &[], "/");
        check("1234:wheel", 1234, 10, &[], "/");
        check("1:2", 1, 2, &[], "/");
        check(":staff", 0, 50, &[], "/root");
        check("4000", 77, 78, &[], "/odd"); // a name of digits is a name
        check("nohome", 5, 6, &[], "/");
        assert_eq!(look_up(None, "", "").unwrap().home, "/");
    }

    #[test]
    fn who_is_not_there_is_refused_in_dockers_words() {
        for (wanted, said) in [
            ("nobody-knows-me", "unable to find user nobody-knows-me: no matching entries"),
            ("job:none", "unable to find group none: no matching entries"),
            ("bad", "unable to find user bad"),
            ("2147483648", "uids and gids must be in range 0-2147483647"),
            ("-1", "uids and gids must be in range"),
            ("0:-1", "uids and gids must be in range"),
        ] {
            let refusal = look_up(Some(wanted), PASSWD, GROUP).unwrap_err();
            assert!(refusal.message.contains(said), "{refusal:?}");
        }
    }

    proptest! {
        #[test]
        fn no_file_of_an_image_makes_it_panic(
            wanted in "[a-z0-9:-]{0,12}", passwd in "(?s).{0,200}", group in "[a-z0-9:,\n]{0,200}",
        ) {
            if let Ok(user) = look_up(Some(&wanted), &passwd, &group) {
                prop_assert!(!user.home.is_empty());
            }
        }
    }
}
