use std::path::PathBuf;

use super::*;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::TempDir::with_prefix("frameway-access-").unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("access.toml")
    }

    fn write(&self, text: &str) {
        std::fs::write(self.file(), text).unwrap();
    }
}

fn with_key(id: &str, key: &ApiKey, grants: &str) -> String {
    format!(
        "[principals.{id}]\ngrants = {grants}\n[[principals.{id}.keys]]\nid = {:?}\nsha256 = \"{}\"\n",
        key.id(),
        key.digest()
    )
}

#[test]
fn a_key_names_its_principal_and_a_wrong_one_nobody() {
    let (folder, key) = (Folder::new(), ApiKey::generate());
    folder.write(&with_key("north", &key, r#"["read:north.*"]"#));
    let access = Access::by_file(&folder.file()).unwrap();
    let caller = access.identify(Some(&key.reveal()), None).unwrap();
    assert_eq!(caller.name().unwrap().as_str(), "north");
    assert!(caller.permissions().read.contains("north.1") && !caller.permissions().read.contains("south"));
    assert_eq!(access.identify(None, None).unwrap_err(), Denied::Missing);
    let other = ApiKey::generate().reveal();
    let secret = other.rsplit_once('_').map(|(_, secret)| secret).unwrap_or_default();
    let mixed = format!("fwk_{}_{secret}", key.id());
    for bad in ["", "fwk_x", "Basic abc", &other, &mixed, &format!("{}x", key.reveal())] {
        assert!(matches!(access.identify(Some(bad), None), Err(Denied::Invalid(_))), "{bad}");
    }
}

#[test]
fn a_file_that_is_wrong_is_refused_with_the_place() {
    let folder = Folder::new();
    for (text, says) in [
        ("[princ", "line 1: "),
        ("[roles]\nr = []\n[half", "line 3: "),
        ("[principal.a]", "unknown field `principal`"),
        ("[principals.'a b']", "principal \"a b\""),
        ("[principals.a]\nroles = ['x']", "role \"x\""),
        ("[principals.a]\ngrants = ['x']", "must be one of publish:GLOB"),
        ("[roles]\nr = ['read:[']", "role \"r\""),
        ("[principals.a]\nclaims = { sub = 'x' }", "[tokens] is missing"),
        ("[[principals.a.keys]]\nid = 'x y'\nsha256 = ''", "id must be"),
        ("[[principals.a.keys]]\nid = 'x'\nsha256 = 'zz'", "64 hexadecimal"),
        ("[principals.a]\ncertificates = ['x']\n[principals.b]\ncertificates = ['x']", "twice"),
        ("[tokens]\njwks_file = 'none.json'\nissuer = 'i'\naudience = 'a'", "none.json"),
    ] {
        folder.write(text);
        let error = Access::by_file(&folder.file()).unwrap_err().to_string();
        assert!(error.contains(says) && !error.contains('\n'), "{text}: {error}");
    }
}

async fn goes_on(ended: impl Future<Output = Ended>) -> bool {
    tokio::time::timeout(Duration::from_secs(60), ended).await.is_err()
}

#[tokio::test(start_paused = true)]
async fn a_revoked_key_ends_its_calls_and_a_broken_file_does_not() {
    let (folder, key, other) = (Folder::new(), ApiKey::generate(), ApiKey::generate());
    let both = |grants: &str| with_key("a", &key, grants) + &with_key("b", &other, "[]");
    folder.write(&both("['read:*']"));
    let access = Access::by_file(&folder.file()).unwrap();
    let caller = access.identify(Some(&key.reveal()), None).unwrap();
    let ended = access.ended(&caller);
    tokio::pin!(ended);
    assert!(goes_on(ended.as_mut()).await);

    folder.write("[half written");
    assert!(access.reload().is_err());
    assert_eq!(access.reload(), Ok(false), "the same error is reported once");
    assert!(goes_on(ended.as_mut()).await);

    // The key of another principal goes: this call stays.
    folder.write(&with_key("a", &key, "['read:*']"));
    assert_eq!(access.reload(), Ok(true));
    assert!(goes_on(ended.as_mut()).await);

    folder.write(&both("['read:x']"));
    assert_eq!(access.reload(), Ok(true));
    assert_eq!(ended.await, Ended::Changed);

    let caller = access.identify(Some(&key.reveal()), None).unwrap();
    folder.write(&with_key("b", &other, "[]"));
    assert_eq!(access.reload(), Ok(true));
    assert_eq!(access.ended(&caller).await, Ended::Revoked);
    assert!(access.identify(Some(&key.reveal()), None).is_err());
}

#[tokio::test]
async fn a_key_that_expires_ends_its_calls_also_if_the_file_says_so_later() {
    let (folder, key) = (Folder::new(), ApiKey::generate());
    let expiring = |after: Duration| {
        let at = humantime::format_rfc3339_millis(SystemTime::now() + after);
        format!("{}expire_time = \"{at}\"\n", with_key("a", &key, "[]"))
    };
    folder.write(&expiring(Duration::from_millis(300)));
    let access = Access::by_file(&folder.file()).unwrap();
    let in_time = Duration::from_secs(10);
    let caller = access.identify(Some(&key.reveal()), None).unwrap();
    assert_eq!(tokio::time::timeout(in_time, access.ended(&caller)).await, Ok(Ended::Revoked));

    folder.write(&with_key("a", &key, "[]"));
    assert_eq!(access.reload(), Ok(true));
    let caller = access.identify(Some(&key.reveal()), None).unwrap();
    folder.write(&expiring(Duration::from_millis(300)));
    assert_eq!(access.reload(), Ok(true));
    assert_eq!(tokio::time::timeout(in_time, access.ended(&caller)).await, Ok(Ended::Revoked));
}

#[test]
fn a_certificate_names_its_principal_and_a_name_of_two_principals_names_nobody() {
    let folder = Folder::new();
    folder.write("[principals.a]\ncertificates = ['spiffe://a', 'a.example']\n[principals.b]\ncertificates = ['b.example']\n");
    let access = Access::by_file(&folder.file()).unwrap();
    let of = |names: &[&str]| {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.subject_alt_names = names
            .iter()
            .map(|name| match name.contains("://") {
                true => rcgen::SanType::URI((*name).try_into().unwrap()),
                false => rcgen::SanType::DnsName((*name).try_into().unwrap()),
            })
            .collect();
        let certificate = ClientCertificate::new(params.self_signed(&key).unwrap().der());
        access.identify(None, Some(&certificate)).map(|caller| caller.name().unwrap().to_string())
    };
    assert_eq!(of(&["spiffe://a"]).as_deref(), Ok("a"));
    assert_eq!(of(&["other.example", "a.example", "spiffe://a"]).as_deref(), Ok("a"));
    for nobody in [&[][..], &["other.example"], &["a.example", "b.example"]] {
        assert!(matches!(of(nobody), Err(Denied::Invalid(_))), "{nobody:?}");
    }
}

#[test]
fn a_reload_keeps_the_counts_of_a_quota() {
    let (folder, key) = (Folder::new(), ApiKey::generate());
    let text = with_key("a", &key, "[]") + "[principals.a.quota]\ncalls = 1\n";
    folder.write(&text);
    let access = Access::by_file(&folder.file()).unwrap();
    let call = |access: &Access| access.identify(Some(&key.reveal()), None).unwrap().usage().call();
    let held = call(&access).unwrap();
    folder.write(&format!("{text}# a comment\n"));
    assert_eq!(access.reload(), Ok(true));
    assert!(call(&access).is_err());
    drop(held);
    assert!(call(&access).is_ok());
}

#[test]
fn keys_are_created_listed_and_revoked_and_the_rest_of_the_file_stays() {
    let folder = Folder::new();
    let mut file = AccessFile::open(&folder.file()).unwrap();
    let key = file.create_key("north", &[], &["read:north.*".into()], None).unwrap();
    file.save(&folder.file()).unwrap();
    let text = std::fs::read_to_string(folder.file()).unwrap();
    folder.write(&format!("# ours\n{text}"));

    let mut file = AccessFile::open(&folder.file()).unwrap();
    let second = file.create_key("north", &[], &["read:north.*".into()], Some(SystemTime::now())).unwrap();
    assert!(file.create_key("a b", &[], &[], None).is_err());
    file.save(&folder.file()).unwrap();
    let listed = AccessFile::open(&folder.file()).unwrap().keys();
    assert_eq!(listed.iter().map(|key| key.id.as_str()).collect::<Vec<_>>(), [key.id(), second.id()]);
    assert!(listed[0].expire_time.is_empty() && !listed[1].expire_time.is_empty());
    let access = Access::by_file(&folder.file()).unwrap();
    assert!(access.identify(Some(&key.reveal()), None).is_ok());
    assert_eq!(
        access.identify(Some(&second.reveal()), None).unwrap_err(),
        Denied::Invalid("the credentials are expired")
    );

    let mut file = AccessFile::open(&folder.file()).unwrap();
    assert!(file.revoke_key(key.id()) && !file.revoke_key(key.id()));
    file.save(&folder.file()).unwrap();
    assert_eq!(access.reload(), Ok(true));
    assert!(access.identify(Some(&key.reveal()), None).is_err());
    let text = std::fs::read_to_string(folder.file()).unwrap();
    assert!(text.starts_with("# ours\n") && !text.contains(&key.reveal()), "{text}");

    let mut file = AccessFile::open(&folder.file()).unwrap();
    file.create_key("north", &["no-such-role".into()], &[], None).unwrap();
    assert!(file.save(&folder.file()).unwrap_err().why.contains("not changed"));
    assert_eq!(std::fs::read_to_string(folder.file()).unwrap(), text);
    assert_eq!(std::fs::read_dir(folder.0.path()).unwrap().count(), 1, "no other file is left");
}
