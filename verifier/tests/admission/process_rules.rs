//! More of the list of attacks against `seaworthy-verifier` as a process: whose exceptions count, what policies may cost
//! and reach, and a registry that is really gone. Which row is shown where: `tests/it/rows.rs`.

use crate::asked::{Program, refused};
use crate::keys;
use crate::world::{World, create, pod, policy, review};
use jiff::{SignedDuration, Timestamp};
use seaworthy_tests::image::TinyImage;
use seaworthy_tests::registry::Lab;
use serde_json::{Value, json};

const SPDX: &str = "https://spdx.dev/Document";

/// An exception for an image of `World::unsigned`, from today on for so many days.
fn exception(name: &str, image: &str, days: i64) -> String {
    let until = Timestamp::now() + SignedDuration::from_hours(24 * days);
    let digest = TinyImage::saying(image).manifest().descriptor.digest.clone();
    format!(
        "---\napiVersion: seaworthy.dev/v1alpha1\nkind: PolicyException\nmetadata: {{name: {name}}}\nspec:\n  \
         policies: [signed]\n  digests: ['{digest}']\n  refusals: [{{code: signature-missing}}]\n  owner: \
         security@registry.example\n  reason: moving house\n  until: {until}\n"
    )
}

fn signed(lab: &Lab) -> String {
    policy("signed", "enforce", &format!("{}/**", lab.host()), "release")
}

#[test]
fn c08_an_exception_is_the_administrators_and_has_an_end() {
    let with = |lab: &Lab| {
        signed(lab)
            + &exception("one", "app 1", 1)
            + &exception("two", "app 1", 2)
            + &exception("old", "app 2", -1)
            + &exception("older", "app 1", -2)
    };
    let program = Program::over(World::with(with, |_| {}));
    let world = &program.world;
    let (excepted, over, never) =
        (world.unsigned("app", "1"), world.unsigned("app", "2"), world.unsigned("app", "3"));
    // Two overlap: the later one says how long, and the log says what the yes rests on.
    program.pod(&excepted).yes();
    let line = program.audit().pop().unwrap();
    let reason = line["images"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("1 refusals excepted until"), "{reason}");
    // One that is over does nothing, and says so.
    program.pod(&over).no("the exception 'old' of security@registry.example ended at");
    program.pod(&never).no("signature-missing");
    // What a tenant says of their own: in annotations and labels, and as an object in their namespace.
    let mut claims = pod(&[&never]);
    let text = exception("mine", "app 3", 1);
    claims["metadata"]["annotations"] =
        json!({ "seaworthy.dev/exception": text, "seaworthy.dev/exceptions": "signed" });
    claims["metadata"]["labels"] = json!({ "seaworthy.dev/exception": "signed" });
    program.ask(&create(&claims)).no("signature-missing");
    let mut object: Value = json!({
        "apiVersion": "seaworthy.dev/v1alpha1", "kind": "PolicyException",
        "metadata": { "name": "mine", "namespace": "team" },
    });
    let digest = TinyImage::saying("app 3").manifest().descriptor.digest.clone();
    object["spec"] = json!({
        "policies": ["signed"], "digests": [digest], "refusals": [{ "code": "signature-missing" }], "owner": "me",
        "reason": "mine", "until": Timestamp::now() + SignedDuration::from_hours(1),
    });
    let said = program.ask(&review("CREATE", "seaworthy.dev", &object, &Value::Null));
    assert!(!said.allowed, "an exception that somebody makes for their own namespace");
    program.pod(&never).no("signature-missing");
}

#[test]
fn c08_an_exception_without_an_end_or_for_everything_does_not_start() {
    let with =
        |change: &dyn Fn(String) -> String| refused(|lab| signed(lab) + &change(exception("x", "app 1", 1)));
    let without = |field: &'static str| {
        move |text: String| text.lines().filter(|l| !l.contains(field)).map(|l| format!("{l}\n")).collect()
    };
    for (change, words) in [
        (Box::new(without("until:")) as Box<dyn Fn(String) -> String>, "until"),
        (Box::new(without("owner:")), "owner"),
        (Box::new(without("reason:")), "reason"),
        (Box::new(without("digests:")), "image"),
        (Box::new(|text: String| text.replace("policies: [signed]", "policies: ['*']")), "policy"),
    ] {
        let (code, said) = with(&*change);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(words) && said.contains("policy.yaml:"), "{words}: {said}");
    }
    let far = refused(|lab| signed(lab) + &exception("x", "app 1", 500));
    assert!(far.0 == Some(2) && far.1.contains("400 days"), "{}", far.1);
}

fn condition(name: &str, images: &str, expression: &str) -> String {
    let head = policy(name, "enforce", images, "release");
    format!(
        "{head}  sbom: {{by: [release]}}\n  conditions:\n    - expression: {}\n      message: a good image\n",
        json!(expression)
    )
}

/// An SBOM of a hundred thousand packages is read, and what a condition would do with each of them is counted.
#[test]
fn c14_over_the_budget_is_a_no_with_that_reason() {
    const EACH: &str =
        "[1, 2, 3, 4, 5, 6, 7, 8].all(a, [1, 2, 3, 4, 5, 6, 7, 8].all(b, a + b + p.name.size() > 0))";
    let policies = |lab: &Lab| {
        let at = |name: &str| format!("{}/{name}", lab.host());
        [
            condition("walks", &at("walks"), &format!("sbom.packages.all(p, {EACH})")),
            // Nested repetitions, on a text that almost matches: simulated, never backtracked.
            condition("pattern", &at("pattern"), "tag.matches('^(a+)+$')"),
        ]
        .join("---\n")
    };
    let host = |world: &World| world.lab.host();
    let world = World::with(policies, |_| {});
    let registry = host(&world);
    let program = Program::with(world, &["--registry", &registry, "--budget", "29"], |_| {});
    let ask = |name: &str, tag: &str, packages: usize| {
        let image = program.world.image(name, tag, name);
        program.world.sign(name, &image);
        let list: Vec<Value> = (0..packages)
            .map(|n| json!({ "SPDXID": format!("SPDXRef-{n}"), "name": format!("p{n}"), "downloadLocation": "NOASSERTION" }))
            .collect();
        let mut document = keys::spdx("2026-01-01T00:00:00Z", &[]);
        document["packages"] = list.into();
        let statement = keys::statement(&image.digest, SPDX, document);
        program.attach(name, &image, &program.world.key.bundle(&statement));
        let review = create(&pod(&[&program.world.lab.reference(&format!("{name}:{tag}"))]));
        program.post("/validate?timeout=30s", review.to_string())
    };
    ask("walks", "large", 100_000).no("[condition-over-budget]");
    let almost = format!("{}.", "a".repeat(127));
    ask("pattern", &almost, 1).no("[condition-not-met]");
    ask("pattern", &"a".repeat(128), 1).yes();
}

#[test]
fn c14_what_no_image_could_stay_within_does_not_start() {
    let heavy = "sbom.packages.all(p, sbom.packages.all(q, p.name != q.name || p == q))";
    let (code, said) = refused(|lab| condition("x", &format!("{}/**", lab.host()), heavy));
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("steps on a large image"), "{said}");
    // A policy file that grows while it is read: YAML's aliases, ten of ten of ten.
    let bomb: String = (1..10)
        .map(|n| {
            let before = vec![format!("*a{}", n - 1); 10].join(", ");
            format!("a{n}: &a{n} [{before}]\n")
        })
        .collect();
    let (code, said) = refused(|lab| format!("a0: &a0 [x]\n{bomb}{}", signed(lab)));
    assert_eq!(code, Some(2), "{said}");
}

/// There is nothing in a policy that names a place beyond its own files, and nothing in the language that opens one.
#[test]
fn c15_a_policy_that_reaches_out_does_not_start() {
    for (expression, why) in [
        ("http.get('http://x') == ''", "there is no "),
        ("open('/etc/passwd') == ''", "there is no "),
        ("env('HOME') == ''", "there is no "),
        ("file.read('x') == ''", "there is no "),
        ("exec('id')", "there is no "),
        ("net.lookup('x.example') == ''", "there is no "),
        ("image.manifest == ''", "there is no "),
    ] {
        let (code, said) = refused(|lab| condition("x", &format!("{}/**", lab.host()), expression));
        assert_eq!(code, Some(2), "{expression}: {said}");
        assert!(said.contains(why), "{expression}: {said}");
    }
    let asked = Lab::start();
    for path in
        [format!("http://{}/release.pub", asked.host()), "/proc/self/environ".into(), "/dev/zero".into()]
    {
        let (code, said) =
            refused(|lab| signed(lab).replace("path: release.pub", &format!("path: '{path}'")));
        assert_eq!(code, Some(2), "{path}: {said}");
        // What stands in a file that is no key is nobody's business.
        assert!(!said.contains("HOME="), "{said}");
    }
    assert!(asked.requests().is_empty());
}

/// The registry's process is gone, not just unwell: a digest that was allowed comes in and is told, nothing else does.
#[test]
fn a_registry_that_is_gone_and_what_is_remembered_of_it() {
    let start = |more: &[&str]| {
        let world = World::new();
        let host = world.lab.host();
        Program::with(world, &[&["--registry", &host, "--keep-verdicts", "0"], more].concat(), |_| {})
    };
    let mut program = start(&["--when-registry-down", "remembered", "--remember-for", "1"]);
    let (image, unsigned) = (program.world.signed("app", "1"), program.world.unsigned("evil", "1"));
    let pinned =
        |image: &str, text: &str| format!("{image}@{}", TinyImage::saying(text).manifest().descriptor.digest);
    let (known, evil) = (pinned(&image, "app 1"), pinned(&unsigned, "evil 1"));
    let unknown = pinned(&image, "app 2");
    program.pod(&known).yes();
    program.pod(&evil).no("signature-missing");
    // Its port is free now, and nobody answers there.
    drop(std::mem::replace(&mut program.world.lab, Lab::start()));
    let let_in = program.pod(&known);
    let_in.yes();
    assert!(
        let_in.warnings[0].contains("its registry does not answer; let in by a verdict of"),
        "{:?}",
        let_in.warnings
    );
    let line = program.audit().pop().unwrap();
    let told = &line["images"][0];
    assert_eq!((&told["way"], &told["remembered"]), (&"registry-down".into(), &true.into()), "{line:#}");
    assert!(program.metric("seaworthy_registry_down_total 1"));
    // What was denied a moment ago is still known to be; later it is not known any more, and never a yes.
    assert!(!program.pod(&evil).allowed);
    for (other, what) in [(&unknown, "never seen"), (&image, "a tag")] {
        program.pod(other).doubt("could not find out");
        assert_eq!(program.audit().pop().unwrap()["outcome"], "could_not_find_out", "{what}");
    }
    assert!(program.metric("seaworthy_registry_down_total 1"), "counted once");
    // Without the flag, nobody comes in.
    let mut strict = start(&[]);
    let image = pinned(&strict.world.signed("app", "1"), "app 1");
    strict.pod(&image).yes();
    drop(std::mem::replace(&mut strict.world.lab, Lab::start()));
    strict.pod(&image).doubt("could not find out");
}
