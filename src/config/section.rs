//! One table of the settings while it is read: each setting is taken out by name, and what is left over is unknown.
//!
//! serde stops at the first fault. Here every reader notes its fault with the key path and goes on, so that one start tells all
//! that is wrong. The readers of single values are in `reading`.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::fault::Fault;
use super::reading::{Reading, text};
use super::spelling::nearest;

/// A table that is being read.
pub(super) struct Section<'a> {
    place: String,
    table: Table,
    known: Vec<&'static str>,
    context: &'a Context<'a>,
    faults: &'a mut Vec<Fault>,
}

/// What the reading of any section needs to know.
pub(super) struct Context<'a> {
    /// Where relative paths begin: the settings file's directory.
    pub(super) base_dir: PathBuf,
    /// How a secret is read from a file of its own.
    pub(super) read_secret: &'a dyn Fn(&Path) -> Reading<String>,
    /// The same for one that nobody but the file's owner may be able to read.
    pub(super) read_private: &'a dyn Fn(&Path) -> Reading<String>,
    /// The key paths of the secrets that were written as they are, and not as the names of their files.
    pub(super) inline_secrets: RefCell<Vec<String>>,
}

impl<'a> Section<'a> {
    /// The whole document.
    pub(super) fn root(table: Table, context: &'a Context<'a>, faults: &'a mut Vec<Fault>) -> Self {
        Self { place: String::new(), table, known: Vec::new(), context, faults }
    }

    /// The section `name`; an empty one where it is absent.
    pub(super) fn section(&mut self, name: &'static str) -> Section<'_> {
        let table = match self.take(name) {
            Some(Value::Table(table)) => table,
            None => Table::new(),
            Some(_) => self.shaped(name, &format!("is a section; write it as [{name}]")),
        };
        let place = join(&self.place, name);
        self.inner(place, table)
    }

    /// Whether the setting `name` is written.
    pub(super) fn has(&self, name: &str) -> bool {
        self.table.contains_key(name)
    }

    /// Reads every section `[name.X]`; `read` is given each X.
    pub(super) fn each_named<T>(
        &mut self,
        name: &'static str,
        mut read: impl FnMut(&str, Section<'_>) -> Option<T>,
    ) -> Vec<T> {
        let tables = match self.take(name) {
            Some(Value::Table(tables)) => tables,
            None => Table::new(),
            Some(_) => self.shaped(name, &format!("is a section with one for each name; write [{name}.NAME]")),
        };
        let mut all = Vec::new();
        for (key, value) in tables {
            let place = join(&join(&self.place, name), &key);
            match value {
                Value::Table(table) => all.extend(read(&key, self.inner(place, table))),
                _ => self.faults.push(Fault::new(place, format!("is a section; write it as [{name}.NAME]"))),
            }
        }
        all
    }

    /// Reads every table of the list `[[name]]`.
    pub(super) fn each<T>(&mut self, name: &'static str, mut read: impl FnMut(Section<'_>) -> Option<T>) -> Vec<T> {
        let path = join(&self.place, name);
        let shape = format!("is a list of tables; write each as [[{path}]]");
        let values = match self.take(name) {
            Some(Value::Array(values)) => values,
            None => Vec::new(),
            Some(_) => self.shaped(name, &shape),
        };
        let mut all = Vec::new();
        for (at, value) in values.into_iter().enumerate() {
            let place = format!("{path}[{at}]");
            match value {
                Value::Table(table) => all.extend(read(self.inner(place, table))),
                _ => self.faults.push(Fault::new(place, shape.clone())),
            }
        }
        all
    }

    /// The setting `name`, if it is written and makes sense.
    pub(super) fn read<T>(&mut self, name: &'static str, how: impl FnOnce(&Value) -> Reading<T>) -> Option<T> {
        let value = self.take(name)?;
        how(&value).map_err(|problem| self.fault(name, problem)).ok()
    }

    /// The setting `name`, whose absence is a fault; `hint` says what to write.
    pub(super) fn need<T>(
        &mut self,
        name: &'static str,
        hint: &str,
        how: impl FnOnce(&Value) -> Reading<T>,
    ) -> Option<T> {
        if !self.table.contains_key(name) {
            self.known.push(name);
            self.fault(name, format!("is missing; {hint}"));
            return None;
        }
        self.read(name, how)
    }

    /// The list `name`: what makes sense of it, with the place of each item. Every item that does not has a fault.
    pub(super) fn list<T>(
        &mut self,
        name: &'static str,
        how: impl Fn(&Value) -> Reading<T>,
    ) -> Option<Vec<(String, T)>> {
        let path = join(&self.place, name);
        let values = match self.take(name)? {
            Value::Array(values) => values,
            _ => self.shaped(name, "is a list; write it in [ ]"),
        };
        let mut all = Vec::new();
        for (at, value) in values.iter().enumerate() {
            let place = format!("{path}[{at}]");
            match how(value) {
                Ok(item) => all.push((place, item)),
                Err(problem) => self.faults.push(Fault::new(place, problem)),
            }
        }
        Some(all)
    }

    /// The same for a list that means nothing when it is empty; `problem` says what to do then.
    pub(super) fn filled<T>(
        &mut self,
        name: &'static str,
        problem: &str,
        how: impl Fn(&Value) -> Reading<T>,
    ) -> Option<Vec<(String, T)>> {
        let before = self.faults_so_far();
        let all = self.list(name, how)?;
        // A list of items that each have their fault is not empty.
        if all.is_empty() && self.faults_so_far() == before {
            self.fault(name, problem);
        }
        Some(all)
    }

    /// The table `name`, whose keys are the operator's own: each key with its place and what makes sense of its value.
    pub(super) fn pairs<T>(
        &mut self,
        name: &'static str,
        how: impl Fn(&Value) -> Reading<T>,
    ) -> Vec<(String, String, T)> {
        let path = join(&self.place, name);
        let table = match self.take(name) {
            Some(Value::Table(table)) => table,
            None => Table::new(),
            Some(_) => self.shaped(name, "is a table; write it in { }"),
        };
        let mut all = Vec::new();
        for (key, value) in table {
            let place = join(&path, &key);
            match how(&value) {
                Ok(item) => all.push((place, key, item)),
                Err(problem) => self.faults.push(Fault::new(place, problem)),
            }
        }
        all
    }

    /// A path, from the settings file's directory on.
    pub(super) fn path(&mut self, name: &'static str) -> Option<PathBuf> {
        let base = &self.context.base_dir;
        self.read(name, |value| text(value).map(|written| base.join(written)))
    }

    /// The same, whose absence is a fault; `hint` says what to write.
    pub(super) fn need_path(&mut self, name: &'static str, hint: &str) -> Option<PathBuf> {
        let base = &self.context.base_dir;
        self.need(name, hint, |value| text(value).map(|written| base.join(written)))
    }

    /// Where relative paths begin.
    pub(super) fn base_dir(&self) -> &'a Path {
        &self.context.base_dir
    }

    /// The secret `name`, or what the file holds that `file` (its name with `_file`) names. One of them must be there.
    pub(super) fn secret<T>(
        &mut self,
        name: &'static str,
        file: &'static str,
        hint: &str,
        how: impl FnOnce(&Value) -> Reading<T>,
    ) -> Option<T> {
        self.held(name, file, hint, self.context.read_secret, how)
    }

    /// The same for a secret that opens by itself what it is for: nobody but its file's owner may be able to read it.
    pub(super) fn private<T>(
        &mut self,
        name: &'static str,
        file: &'static str,
        hint: &str,
        how: impl FnOnce(&Value) -> Reading<T>,
    ) -> Option<T> {
        if self.has(name) {
            self.context.inline_secrets.borrow_mut().push(join(&self.place, name));
        }
        self.held(name, file, hint, self.context.read_private, how)
    }

    fn held<T>(
        &mut self,
        name: &'static str,
        file: &'static str,
        hint: &str,
        read: &dyn Fn(&Path) -> Reading<String>,
        how: impl FnOnce(&Value) -> Reading<T>,
    ) -> Option<T> {
        if !self.table.contains_key(file) {
            self.known.push(file);
            return self.need(name, hint, how);
        }
        if self.read(name, |_| Ok(())).is_some() {
            self.fault(file, format!("says the same as {name}; keep one of them"));
        }
        self.file_read_by(read, file, how)
    }

    /// The secret of [`Section::private`] where it is written, one way or the other; none need be there.
    pub(super) fn private_or_none<T>(
        &mut self,
        name: &'static str,
        file: &'static str,
        how: impl FnOnce(&Value) -> Reading<T>,
    ) -> Option<T> {
        if self.has(name) || self.has(file) {
            return self.private(name, file, "", how);
        }
        self.known.extend([name, file]);
        None
    }

    /// What the file holds that the setting `file` names; nobody but its owner may be able to read it.
    pub(super) fn private_file<T>(&mut self, file: &'static str, how: impl FnOnce(&Value) -> Reading<T>) -> Option<T> {
        self.file_read_by(self.context.read_private, file, how)
    }

    fn file_read_by<T>(
        &mut self,
        read: &dyn Fn(&Path) -> Reading<String>,
        file: &'static str,
        how: impl FnOnce(&Value) -> Reading<T>,
    ) -> Option<T> {
        let path = self.path(file)?;
        let held = read(&path).map(Value::String);
        held.and_then(|value| how(&value)).map_err(|problem| self.fault(file, problem)).ok()
    }

    /// Notes a fault of the setting `name`.
    pub(super) fn fault(&mut self, name: &str, problem: impl Into<String>) {
        let place = join(&self.place, name);
        self.fault_at(place, problem);
    }

    /// How many faults there are by now, in all sections: whether any came since is what comparisons of settings ask.
    pub(super) fn faults_so_far(&self) -> usize {
        self.faults.len()
    }

    /// Notes a fault at a place that [`Section::list`] gave.
    pub(super) fn fault_at(&mut self, place: impl Into<String>, problem: impl Into<String>) {
        self.faults.push(Fault::new(place, problem));
    }

    /// Notes a fault of the section itself, and believes nothing in it.
    pub(super) fn refuse(self, problem: impl Into<String>) {
        self.faults.push(Fault::new(self.place, problem));
    }

    /// Ends the reading of a section whose settings cannot be told right from wrong.
    pub(super) fn give_up(self) {
        drop(self.table);
    }

    /// Ends the reading: what nobody took is unknown.
    pub(super) fn end(self) {
        for name in self.table.keys() {
            let problem = match nearest(name, &self.known) {
                Some(meant) => format!("is not a setting; did you mean {meant}?"),
                None if self.known.is_empty() => "is not a setting".to_owned(),
                None => format!("is not a setting; here are known {}", self.known.join(", ")),
            };
            self.faults.push(Fault::new(join(&self.place, name), problem));
        }
    }

    fn take(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.table.remove(name)
    }

    fn shaped<T: Default>(&mut self, name: &str, problem: &str) -> T {
        self.fault(name, problem);
        T::default()
    }

    fn inner(&mut self, place: String, table: Table) -> Section<'_> {
        Section { place, table, known: Vec::new(), context: self.context, faults: self.faults }
    }
}

/// The key path of `key` in `place`. A key that TOML wants in quotes has them here too, so that it cannot break the line.
pub(super) fn join(place: &str, key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    let dot = if place.is_empty() { "" } else { "." };
    if bare { format!("{place}{dot}{key}") } else { format!("{place}{dot}{key:?}") }
}

#[cfg(test)]
mod tests {
    use super::super::reading::{count, flag};
    use super::*;

    /// Reads `text` with `read` and gives the faults as lines.
    fn faults(text: &str, read: impl FnOnce(&mut Section<'_>)) -> Vec<String> {
        let context = Context {
            base_dir: "/etc/hallpass".into(),
            read_secret: &|_| Err("no".to_owned()),
            read_private: &|_| Err("no".to_owned()),
            inline_secrets: RefCell::default(),
        };
        let mut faults = Vec::new();
        let mut section = Section::root(text.parse().unwrap(), &context, &mut faults);
        read(&mut section);
        section.end();
        faults.iter().map(Fault::to_string).collect()
    }

    #[test]
    fn all_faults_are_found_at_once_with_their_paths() {
        let text = "a = 'x'\nb = 7\nlist = [1, 'two', 3, true]\n[inner]\nflagg = true\nother = 1\n['a b'.\"c\\nd\"]\n";
        let found = faults(text, |root| {
            assert_eq!(root.read("a", count(1..=9)), None);
            assert_eq!(root.read("b", count(1..=9)), Some(7));
            assert_eq!(root.need("missing", "write it", flag), None);
            assert_eq!(root.list("list", count(1..=9)).unwrap().len(), 2);
            let mut inner = root.section("inner");
            assert_eq!(inner.read("flag", flag), None);
            inner.end();
        });
        assert_eq!(
            found,
            [
                "a: is a number from 1 to 9",
                "missing: is missing; write it",
                "list[1]: is a number from 1 to 9",
                "list[3]: is a number from 1 to 9",
                "inner.flagg: is not a setting; did you mean flag?",
                "inner.other: is not a setting; here are known flag",
                "\"a b\": is not a setting; here are known a, b, missing, list, inner",
            ]
        );
    }

    #[test]
    fn wrong_shapes_are_said() {
        let found = faults("section = 1\nnamed = { a = 1 }\nlist = 1\neach = [1]\nmore = 2\n", |root| {
            root.section("section").end();
            assert!(root.each_named("named", |_, _| Some(())).is_empty());
            assert!(root.list("list", flag).unwrap().is_empty());
            assert!(root.each("each", |_| Some(())).is_empty());
            assert!(root.each("more", |_| Some(())).is_empty());
        });
        let places: Vec<_> = found.iter().map(|line| line.split(':').next().unwrap()).collect();
        assert_eq!(places, ["section", "named.a", "list", "each[0]", "more"]);
    }
}
