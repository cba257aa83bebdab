//! Templates as output.

use super::world::World;

const CSV: &str = "testdata/templates/packages.csv.tmpl";

#[test]
fn a_template_goes_where_it_is_told() {
    let world = World::new();
    let printed = world.run(&format!("sbom oci:testdata/images/harbor -o template={CSV}")).expect(0).stdout;
    let json = world.run("sbom oci:testdata/images/harbor -o json").expect(0).json();
    let packages = json["packages"].as_array().unwrap();
    assert_eq!(printed.lines().count(), packages.len() + 1);
    assert!(printed.starts_with("name,version,type,licence,purl\n"));
    for package in packages {
        assert!(printed.contains(package["purl"].as_str().unwrap()), "{package}");
    }
    // As syft and trivy have it, into a file, and of a document.
    for template in [CSV.to_owned(), format!("@{CSV}")] {
        let same = world.run(&format!("sbom oci:testdata/images/harbor -o template -t {template}")).expect(0);
        assert_eq!(same.stdout, printed);
    }
    world
        .run(&format!("sbom oci:testdata/images/harbor -o spdx-json=a.json -o template={CSV}=a.csv -q"))
        .expect(0);
    assert_eq!(std::fs::read_to_string(world.path("a.csv")).unwrap(), printed);
    assert_eq!(world.run(&format!("sbom convert a.json -o template={CSV} -q")).expect(0).stdout, printed);
    world.run(&format!("sbom oci:testdata/images/fleet -o template={CSV}={{platform}}.csv -q")).expect(0);
    assert!(world.path("linux-amd64.csv").exists());
}

#[test]
fn what_is_wrong_with_a_template_is_said_before_anything_is_written() {
    let world = World::new();
    std::fs::write(world.path("wrong"), "a\n{{range .packages}}{{.nmae}}{{end}}").unwrap();
    let ran = world.run("sbom oci:testdata/images/harbor -o template=wrong=out").expect(4);
    ran.says("use the template wrong: line 2: no field 'nmae'").says("there are: architecture, ");
    assert!(!world.path("out").exists());
    for (arguments, code, says) in [
        ("-o template", 2, "no template was named"),
        ("-o template=", 2, "a file name is missing"),
        ("-o template=wrong -t wrong", 2, "named by -o and by --template"),
        ("-t wrong -o json", 2, "--template goes with -o template"),
        ("-o template=none", 5, "cannot read template none"),
    ] {
        world.run(&format!("sbom oci:testdata/images/harbor {arguments}")).expect(code).says(says);
    }
    world.run(&format!("sbom oci:testdata/images/fleet -o template={CSV}")).expect(2).says("2 platforms");
}
