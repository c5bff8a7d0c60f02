//! A file with the values of its references: all of them or none, for its owner alone.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::harness::{CANARY, Files, Psk, Served, fake_op, psk};

fn inject<'a>(files: &Files, lab: &'a Served) -> Psk<'a> {
    psk(["inject", "-i", "template"]).at(files).inside(lab)
}

const TEMPLATE: &str = "\
id: {{ op://empc-lab/svc-auth0/pskctl-cli-client-id }}
same: \"op://$VAULT/svc-auth0/pskctl-cli-client-id\"
helm: {{ .Values.image }}
";

#[test]
fn a_files_references_are_put_in_and_only_its_owner_may_read_it() {
    let (files, lab) = Served::small();
    let files = files.with("template", TEMPLATE);
    // Not where what is written is searched for secrets: this file is to hold one.
    let outside = tempfile::tempdir().unwrap();
    let out = outside.path().join("new/config");
    let run = inject(&files, &lab)
        .arg("-o")
        .arg(&out)
        .env("VAULT", "empc-lab")
        .run()
        .ended(0);
    assert_eq!((run.stdout, run.stderr), (String::new(), String::new()));
    let id = format!("{CANARY}-pskctl-cli-client-id");
    assert_eq!(
        fs::read_to_string(&out).unwrap(),
        format!("id: {id}\nsame: \"{id}\"\nhelm: {{{{ .Values.image }}}}\n")
    );
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&out), 0o600);
    assert_eq!(lab.count("GetVaultItemById"), 1, "each item is read once");

    // A file that is there is replaced, whatever its mode was.
    fs::write(&out, "old").unwrap();
    fs::set_permissions(&out, fs::Permissions::from_mode(0o644)).unwrap();
    let files = files.with("template", "op://empc-lab/aws-nonprod/aws-account-id");
    inject(&files, &lab).arg("-o").arg(&out).run().ended(0);
    assert_eq!(mode(&out), 0o600);
    assert_eq!(fs::read_to_string(&out).unwrap().len(), 12);
}

#[test]
fn everything_that_is_wrong_is_told_at_once_and_nothing_is_written() {
    let (files, lab) = Served::small();
    let files = files
        .with(
            "template",
            "a: op://empc-lab/svc-auth0\nb: $NONE {{ op://empc-lab/x/y(z) }}\n",
        )
        .with("out", "old");
    let told = inject(&files, &lab).arg("-o").arg("out").run().refused(12);
    for place in ["template:1:4:", "template:2:4:", "template:2:13:"] {
        assert!(told.contains(place), "{told}");
    }
    assert_eq!(lab.calls().len(), 0);

    let files = files.with(
        "template",
        "a: op://empc-lab/svc-auth0/nope\nb: op://none/i/f op://empc-lab/none/f\n\
         c: op://empc-lab/svc-auth0/pskctl-cli-client-id\n",
    );
    let told = inject(&files, &lab).arg("-o").arg("out").run().refused(12);
    for why in [
        "template:1:4: op://empc-lab/svc-auth0/nope: item \"svc-auth0\" has no field \"nope\"",
        "template:2:4: op://none/i/f: the token sees no vault \"none\"",
        "template:2:18: op://empc-lab/none/f: vault \"empc-lab\" has no item \"none\"",
    ] {
        // The lines are folded to the terminal's width.
        let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
        let told = told.replace("│ ", "");
        assert!(told.contains(why), "{told}");
    }
    assert_eq!(fs::read_to_string(files.root().join("out")).unwrap(), "old");
    assert_eq!(
        fs::read_dir(files.root()).unwrap().count(),
        5,
        "nothing is left behind"
    );
}

#[test]
fn a_template_without_references_asks_no_one_and_goes_to_standard_output() {
    let files = Files::none().with("template", "plain {{ \"{{ op://v/i/f }}\" }}\n");
    let run = psk(["inject", "-i", "template"]).at(&files).run().ended(0);
    assert_eq!(run.stdout, "plain {{ op://v/i/f }}\n");
    let told = psk(["inject", "-i", "absent"]).at(&files).run().refused(2);
    assert!(told.contains("reading absent: "), "{told}");
}

#[test]
fn without_a_connect_server_the_cli_is_asked() {
    let files = Files::none().with("template", "{{ op://v/i/token }}");
    let op = fake_op(
        "'vault list') echo '[{\"id\":\"v1\",\"name\":\"v\"}]';;\n\
         'item list') echo '[{\"id\":\"i1\",\"title\":\"i\"}]';;\n\
         'item get') echo '{\"id\":\"i1\",\"fields\":[{\"id\":\"f\",\"label\":\"token\",\"value\":\"canary-8c1f5e0b\"}]}';;",
    );
    let outside = tempfile::tempdir().unwrap();
    let out = outside.path().join("out");
    psk(["inject", "-i", "template", "-o"])
        .arg(&out)
        .at(&files)
        .env("PATH", &op.path())
        .env("OP_SERVICE_ACCOUNT_TOKEN", "ops_secret")
        .hiding("ops_secret")
        .run()
        .ended(0);
    assert_eq!(fs::read_to_string(&out).unwrap(), CANARY);
    assert_eq!(
        op.runs(),
        [
            "vault list --format json",
            "item list --vault v1 --format json",
            "item get i1 --vault v1 --format json",
        ]
    );

    let told = psk(["inject", "-i", "template"])
        .at(&files)
        .env("PATH", "/nowhere")
        .env("OP_SERVICE_ACCOUNT_TOKEN", "ops_secret")
        .hiding("ops_secret")
        .run()
        .refused(12);
    assert!(
        told.contains("1Password's CLI, op, can't be started"),
        "{told}"
    );
}
