//! Keys in a token: SoftHSM's, made with its own tools. Built with the feature `pkcs11`; `.ci/run pkcs11` installs
//! what it needs (softhsm2, opensc).

use super::world::World;
use std::path::PathBuf;
use std::process::Command;

const PIN: &str = "648219";

/// A world with a token `harbour` and keys of these kinds in it (label, kind in pkcs11-tool's words, id).
struct Token {
    world: World,
    module: PathBuf,
}

impl Token {
    fn new() -> Self {
        let module = std::env::var_os("SOFTHSM2_MODULE")
            .map_or_else(|| "/usr/lib/softhsm/libsofthsm2.so".into(), PathBuf::from);
        assert!(module.exists(), "SoftHSM is not installed: apt-get install softhsm2 opensc");
        let mut world = World::new();
        std::fs::create_dir(world.path("tokens")).unwrap();
        let conf = world.path("softhsm2.conf");
        std::fs::write(
            &conf,
            format!("directories.tokendir = {}\nlog.level = ERROR\n", world.path("tokens").display()),
        )
        .unwrap();
        world.env("SOFTHSM2_CONF", conf.to_str().unwrap());
        let token = Self { world, module };
        token
            .tool("softhsm2-util", &format!("--init-token --free --label harbour --so-pin 0000 --pin {PIN}"));
        for (label, kind, id) in [
            ("p256", "EC:prime256v1", "01"),
            ("p384", "EC:secp384r1", "02"),
            ("p521", "EC:secp521r1", "03"),
            ("rsa", "rsa:2048", "04"),
            ("ed25519", "EC:edwards25519", "05"),
        ] {
            let module = token.module.display();
            let make = format!(
                "--module {module} --token-label harbour --login --pin {PIN} --keypairgen --key-type {kind} --label {label} --id {id}"
            );
            token.tool("pkcs11-tool", &make);
        }
        std::fs::write(token.world.path("pin"), format!("{PIN}\n")).unwrap();
        token
    }

    fn tool(&self, program: &str, arguments: &str) {
        let output = Command::new(program)
            .args(arguments.split(' '))
            .env("SOFTHSM2_CONF", self.world.path("softhsm2.conf"))
            .output()
            .unwrap_or_else(|e| panic!("{program}: {e}"));
        assert!(
            output.status.success(),
            "{program} {arguments}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// The reference of a key, with the PIN in a file.
    fn key(&self, path: &str) -> String {
        let (module, pin) = (self.module.display(), self.world.path("pin"));
        format!("pkcs11:{path}?module-path={module}&pin-source={}", pin.display())
    }
}

#[test]
fn keys_in_a_token_sign_files_and_statements() {
    let token = Token::new();
    let world = &token.world;
    std::fs::write(world.path("file"), "some file\n").unwrap();
    std::fs::write(world.path("other"), "another\n").unwrap();
    std::fs::write(world.path("p.json"), "{}").unwrap();
    for (label, algorithm) in [
        ("p256", "ecdsa-p256"),
        ("p384", "ecdsa-p384"),
        ("p521", "ecdsa-p521"),
        ("rsa", "rsa-2048"),
        ("ed25519", "ed25519"),
    ] {
        let key = token.key(&format!("token=harbour;object={label}"));
        let public = world.run(&format!("public-key --output json --key {key}")).expect(0).json();
        assert_eq!(public["algorithm"], algorithm);
        std::fs::write(world.path("key.pub"), public["pem"].as_str().unwrap()).unwrap();
        for verb in ["sign-blob", "attest-blob --predicate p.json"] {
            world.run(&format!("{verb} --key {key} --bundle b.json file")).expect(0);
            world.run("verify-blob --key key.pub --bundle b.json file").expect(0);
            world.run(&format!("verify-blob --key {key} --bundle b.json file")).expect(0);
            world.run("verify-blob --key key.pub --bundle b.json other").expect(1);
        }
    }
}

#[test]
fn an_image_is_released_with_a_key_in_a_token_offline_too() {
    let token = Token::new();
    let key = token.key("token=harbour;id=%01;type=private");
    let release =
        format!("--offline release oci:testdata/images/fleet --to oci:out --key {key} --output json");
    assert_eq!(token.world.run(&release).expect(0).json()["verdict"]["decision"], "allow");
    token.world.run(&format!("public-key --key {key}")).expect(0);
    token.world.run(&format!("verify --key {key} --type spdx oci:out")).expect(0);
    let again = token.world.run(&release).expect(0).json();
    assert!(again["attached"].as_array().unwrap().iter().all(|a| a["change"] == "already-there"));
}

#[test]
fn the_pin_comes_from_a_file_or_the_environment_and_is_never_shown() {
    let mut token = Token::new();
    let module = token.module.display().to_string();
    let without = "pkcs11:token=harbour;object=p256".to_owned();
    let world = &mut token.world;
    world.run(&format!("public-key --key {without}")).expect(2).says("nothing says which module");
    world.env("COSIGN_PKCS11_MODULE_PATH", &module);
    world.run(&format!("public-key --key {without}")).expect(5).says("SEAWORTHY_PKCS11_PIN");
    world.env("SEAWORTHY_PKCS11_PIN", "1111");
    world.run(&format!("public-key --key {without}")).expect(5).says("the PIN is wrong").never_says("1111");
    world.env("SEAWORTHY_PKCS11_PIN", PIN);
    world.run(&format!("public-key --key {without}")).expect(0).says("BEGIN PUBLIC KEY");
}

#[test]
fn a_reference_that_fits_nothing_or_several_is_refused() {
    let token = Token::new();
    let run = |path: &str| token.world.run(&format!("public-key --key {}", token.key(path)));
    run("token=pier;object=p256").expect(5).says("no such token");
    run("token=harbour;object=none").expect(5).says("no such key");
    run("token=harbour;object=p256;id=%02").expect(5).says("no such key");
    let module = token.module.display();
    token.tool(
        "pkcs11-tool",
        &format!("--module {module} --token-label harbour --login --pin {PIN} --keypairgen --key-type EC:prime256v1 --label p256 --id 09"),
    );
    run("token=harbour;object=p256").expect(2).says("several keys fit");
    run("token=harbour;object=p256;id=%09").expect(0);
    let missing = "pkcs11:object=k?module-path=/no/module.so";
    token
        .world
        .run(&format!("public-key --key {missing}"))
        .expect(5)
        .says("cannot load module /no/module.so");
}
