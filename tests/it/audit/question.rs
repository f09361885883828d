//! The question that `--fix-types` asks at a terminal: only the number is a yes, and it can be left like any other program.

use std::process::{Command, Output};

use super::vault::Vault;
use super::{Desk, sample, text};
use crate::kit::moto;

/// Runs a program at a terminal of its own, and types (or signals) when it asks. The last line says how it ended.
const TERMINAL: &str = r#"
import os, pty, select, signal, sys, time
what, program = sys.argv[1], sys.argv[2:]
pid, terminal = pty.fork()
if pid == 0:
    os.execv(program[0], program)
said, asked, until = b"", False, time.monotonic() + 60
while time.monotonic() < until:
    if select.select([terminal], [], [], 0.1)[0]:
        try:
            part = os.read(terminal, 65536)
        except OSError:
            part = b""
        if not part:
            break
        said += part
    if not asked and b"type the number of objects" in said:
        asked, until = True, time.monotonic() + 30
        if what == "SIGTERM":
            os.kill(pid, signal.SIGTERM)
        else:
            os.write(terminal, what.encode())
else:
    os.kill(pid, signal.SIGKILL)
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.stdout.buffer.write(said)
print("\nended with", code)
"#;

async fn at_terminal(desk: &Desk, typed: &str) -> Output {
    let audit = desk.command(&["--fix-types"]);
    let mut command: Command = moto::python();
    command.args(["-c", TERMINAL, typed]).arg(audit.get_program()).args(audit.get_args());
    command.env_clear().envs(audit.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("PATH", std::env::var_os("PATH").unwrap()).env("TERM", "xterm");
    command.current_dir(desk.dir.path());
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

#[tokio::test]
async fn the_question_takes_a_number_and_gives_way_to_signals() {
    let vault = Vault::open();
    for key in ["a.jpg", "b.jpg"] {
        vault.put(key, Some("image/png"), sample("winter-sale.jpg"));
    }
    let desk = Desk::over_bucket(&vault.endpoint, "vault", "");
    for (typed, words, ended) in [
        ("\u{3}", "interrupted", "ended with 130"),
        ("SIGTERM", "interrupted", "ended with 143"),
        ("yes\n", "Nothing was changed", "ended with 1"),
        ("2\n", "2 objects got their media type", "ended with 3"),
    ] {
        assert_eq!(vault.get("a.jpg").0.as_deref(), Some("image/png"), "before {typed:?}");
        let said = text(&at_terminal(&desk, typed).await);
        assert!(said.contains(words) && said.trim_end().ends_with(ended), "{typed:?}: {said}");
        assert!(!said.contains("under way"), "nothing was begun: {said}");
    }
    assert_eq!(vault.get("b.jpg").0.as_deref(), Some("image/jpeg"));
}
