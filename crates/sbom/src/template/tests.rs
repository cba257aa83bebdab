use super::*;
use crate::inventory::{Ecosystem, Gap, Package};
use proptest::prelude::*;

fn inventory() -> Inventory {
    let mut inventory = Inventory { created: Some(1_700_000_000), ..Inventory::default() };
    inventory.subject.name = "registry.example/app".into();
    let mut add = |name: &str, version: &str, license: Option<&str>| {
        let mut package = Package::new(Ecosystem::Deb, name, Some(version.to_owned()));
        package.license.expression = license.map(str::to_owned);
        package.cpes = vec!["cpe:one".into(), "cpe:two".into()];
        inventory.packages.push(package);
    };
    add("zlib1g", "1:1.2.13", Some("Zlib"));
    add("a<b>,\"c\"", "2", None);
    add("libc6", "2.36", Some("LGPL-2.1-only AND MIT"));
    inventory.gaps.push(Gap {
        path: "/x".into(),
        reason: "odd\u{1b}[31m\u{202e}".into(),
        found_by: "t".into(),
    });
    inventory.normalize();
    inventory
}

fn said(template: &str) -> String {
    let rendered = Template::parse("t", template).and_then(|t| t.render(&inventory()));
    rendered.map_or_else(
        |e| format!("{e} [{}]", e.hint.clone().unwrap_or_default()),
        |b| String::from_utf8(b).unwrap(),
    )
}

#[test]
fn what_the_language_means() {
    for (template, wanted) in [
        ("plain { text }}", "plain { text }}"),
        ("{{.subject.name}}", "registry.example/app"),
        ("{{ $.subject.name | upper }}", "REGISTRY.EXAMPLE/APP"),
        ("a {{- /* gone */ -}} b", "ab"),
        ("a {{- \"x\" -}}  b", "axb"),
        ("{{range .packages}}{{.name}};{{end}}", "a<b>,\"c\";libc6;zlib1g;"),
        ("{{range $i, $p := .packages}}{{$i}}={{$p.name}} {{end}}", "0=a<b>,\"c\" 1=libc6 2=zlib1g "),
        ("{{range .layers}}x{{else}}none{{end}}", "none"),
        ("{{range $k, $v := .subject}}{{$k}} {{end}}", "digest mediaType name platform supplier tag "),
        ("{{range .packages}}{{if eq .name \"libc6\"}}{{break}}{{end}}{{.version}}{{end}}", "2"),
        ("{{range .packages}}{{if ne .name \"libc6\"}}{{continue}}{{end}}{{.version}}{{end}}", "2.36"),
        ("{{with .os}}{{.id}}{{else with .subject.tag}}t{{else}}no{{end}}", "no"),
        ("{{if .os}}a{{else if gt (len .packages) 2}}b{{else}}c{{end}}", "b"),
        ("{{.os.id}}|{{.subject.tag}}|{{.files | len}}|{{.fileFindings}}", "||0|"),
        ("{{$n := 0}}{{range .packages}}{{$n = add $n 1}}{{end}}{{$n}}", "3"),
        ("{{or .subject.tag .subject.digest \"neither\"}} {{and true 0}}", "neither 0"),
        (
            "{{define \"row\"}}[{{.name}}{{$.version}}]{{end}}{{range .packages}}{{template \"row\" .}}{{end}}",
            "[a<b>,\"c\"2][libc62.36][zlib1g1:1.2.13]",
        ),
        (
            "{{index .packages 1 \"name\"}} {{(index .packages 1).version}} {{index .packages 9}}",
            "libc6 2.36 ",
        ),
        ("{{join \"+\" (first .packages).cpes}}", "cpe:one+cpe:two"),
        (
            "{{range .licenses}}{{.license | default \"unknown\"}}: {{range .packages}}{{.ecosystem}}/{{.name}} {{end}}\n{{end}}",
            "LGPL-2.1-only AND MIT: deb/libc6 \nZlib: deb/zlib1g \nunknown: deb/a<b>,\"c\" \n",
        ),
        (
            "{{with first .packages}}{{csv .name .version .license.expression .cpes}}{{end}}",
            "\"a<b>,\"\"c\"\"\",2,,cpe:one cpe:two",
        ),
        ("{{(first .packages).name | html}}", "a&lt;b&gt;,&#34;c&#34;"),
        ("{{\"a|b_c <x>\" | markdown}}", "a\\|b\\_c &lt;x\\>"),
        ("{{printf \"%-4s|%4d|%04d|%q|%%\" \"ab\" 7 -7 `x\"`}}", "ab  |   7|-007|\"x\\\"\"|%"),
        ("{{date .created}}", "2023-11-14T22:13:20Z"),
        ("{{json .subject.tag}} {{toJson (split \",\" \"a,b\")}}", "null [\"a\",\"b\"]"),
        (
            "{{replace \"g\" \"\" \"zlib1g\"}}{{trimPrefix \"a\" \"ab\"}}{{hasSuffix \"b\" \"ab\"}}",
            "zlib1btrue",
        ),
        ("{{lt 1 2}}{{le \"b\" \"a\"}}{{eq .subject.tag \"x\"}}{{eq 3 1 2 3}}", "truefalsefalsetrue"),
        // Names are whatever an image says: they do not steer the terminal of whoever reads them.
        ("{{(first .gaps).reason}}", "odd\u{fffd}[31m\u{fffd}"),
    ] {
        assert_eq!(said(template), wanted, "{template}");
    }
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    for (template, wanted) in [
        (
            "\n\n{{.packges}}",
            "cannot use the template t: line 3: no field 'packges' in an object [there are: created, creators,",
        ),
        ("{{range .packages}}\n{{.nmae}}{{end}}", "line 2: no field 'nmae'"),
        ("{{.packages.name}}", "line 1: no field 'name' in a list [range goes through a list]"),
        ("{{frobnicate 1}}", "line 1: no function is called 'frobnicate' [the functions are add, and,"),
        ("{{readFile \"/etc/passwd\"}}", "no function is called 'readFile'"),
        ("{{env \"HOME\"}}", "no function is called 'env'"),
        ("{{if .os}}\n", "line 1: 'if' without an end [close it with {{end}}]"),
        ("a\n{{end}}", "line 2: 'end' without a beginning"),
        ("{{/* x", "a comment without an end"),
        ("{{.name", "an action without an end"),
        ("{{}}", "an action with nothing in it"),
        ("{{\"a}}", "a text without an end"),
        ("{{$x}}", "no variable $x was set [set it first: $x := …]"),
        ("{{$x = 1}}", "no variable $x was set"),
        ("{{(1}}", "a '(' without its ')'"),
        ("{{1)}}", "a ')' without its '('"),
        ("{{.subject .os}}", "a value that is no function is given something"),
        ("{{join .packages}}", "'join' is given 1 values [it is written: join SEPARATOR LIST]"),
        ("{{upper .packages}}", "a text is wanted, and this is a list"),
        ("{{eq .subject.name 1}}", "a text is never equal to a number"),
        ("{{break}}", "'break' stands alone, within a range"),
        ("{{range .subject.name}}{{end}}", "range goes through a list or an object, and this is a text"),
        ("{{template \"x\"}}", "no template is defined as 'x' [defined are: none]"),
        ("{{if true}}{{define \"x\"}}{{end}}{{end}}", "'define' stands outside"),
        ("{{define \"x\"}}{{end}}{{define \"x\"}}{{end}}", "'x' is defined twice"),
        ("{{block \"x\" .}}{{end}}", "'block' is not known here"),
        ("{{1.5}}", "a space is missing between two words"),
        ("{{99999999999999999999}}", "is no whole number"),
        ("{{printf \"%x\" 1}}", "printf knows"),
        ("{{$a, $b := 1}}", "two variables are set by range alone"),
        ("{{$x := $y = 1}}", "a variable stands before"),
        ("{{printf \"%9999s\" 1}}", "a column is at most 1000 wide"),
    ] {
        let said = said(template);
        assert!(said.contains(wanted), "{template}: {said}");
        assert!(said.starts_with("cannot use the template t: line "), "{template}: {said}");
    }
}

fn limit(template: &str) -> String {
    match Template::parse("t", template).and_then(|t| t.render(&inventory())) {
        Err(Error { kind: ErrorKind::LimitExceeded { limit, .. }, .. }) => limit.to_owned(),
        Err(error) => error.to_string(),
        Ok(bytes) => format!("{} bytes", bytes.len()),
    }
}

#[test]
fn everything_is_bounded() {
    let spaces = " ".repeat(limits::TEMPLATE_BYTES);
    assert_eq!(limit(&spaces), format!("{} bytes", limits::TEMPLATE_BYTES));
    assert_eq!(limit(&format!("{spaces} ")), "TEMPLATE_BYTES");
    let nested = |n: usize| format!("{}x{}", "{{if 1}}".repeat(n), "{{end}}".repeat(n));
    // The body of the whole is a level when it runs, and the test of the innermost is one when it is read.
    assert_eq!(limit(&nested(limits::TEMPLATE_DEPTH - 1)), "1 bytes");
    assert!(limit(&nested(limits::TEMPLATE_DEPTH + 1)).contains("TEMPLATE_DEPTH"));
    let parens = |n: usize| format!("{{{{{}1{}}}}}", "(".repeat(n), ")".repeat(n));
    assert_eq!(limit(&parens(limits::TEMPLATE_DEPTH - 1)), "1 bytes");
    assert!(limit(&parens(limits::TEMPLATE_DEPTH)).contains("TEMPLATE_DEPTH"));
    assert_eq!(limit("{{define \"x\"}}{{template \"x\"}}{{end}}{{template \"x\"}}"), "TEMPLATE_DEPTH");
    // Loops within loops: 3 packages to the 20th power.
    let loops = format!("{}{}", "{{range $.packages}}".repeat(20), "{{end}}".repeat(20));
    assert_eq!(limit(&loops), "TEMPLATE_STEPS");
    // Texts that grow: each round makes the text a hundred times longer.
    let grown = format!(
        "{{{{$x := \"a\"}}}}{}",
        format!("{{{{$x = replace \"a\" \"{}\" $x}}}}", "a".repeat(100)).repeat(8)
    );
    let grown = limit(&grown);
    assert!(grown == "TEMPLATE_STEPS" || grown.contains("longer than all"), "{grown}");
    let mib = "x".repeat(1 << 19);
    let loud = format!("{}{mib}{}", "{{range $.packages}}".repeat(6), "{{end}}".repeat(6));
    assert_eq!(limit(&loud), "TEMPLATE_OUTPUT");
}

proptest! {
    /// Whatever a template is, it ends with a text or an error, and twice with the same.
    #[test]
    fn no_template_breaks_it(pieces in prop::collection::vec(prop::sample::select(vec![
        "{{", "}}", "{{-", "-}}", "range", "if", "with", "else", "end", "define", "template", ".", ".packages", "$", "$x",
        ":=", "=", ",", "|", "(", ")", "\"", "`", "1", "-", "/*", "*/", " ", "\n", "é", "index", "join", "and", "printf",
        "{{range .packages}}", "{{end}}", "{{if ", "{{$x := ", "\"%s\"", "first", "json",
    ]), 0..40)) {
        let template = pieces.concat();
        prop_assert_eq!(said(&template), said(&template));
    }
}
