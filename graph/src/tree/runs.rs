//! The sorted sequence behind a tree, cut into short runs.
//!
//! A copy shares its runs with the original, and a change copies only the runs it touches. So the tree above a small
//! layer costs the size of the layer, in time and in memory, not the size of the tree.
//! Rules: no run is empty; paths rise strictly within and across runs. Must not know: layers, whiteouts, links.

use std::sync::Arc;

use super::Shown;
use crate::path::TreePath;

/// The most entries of a run. Short enough that copying one is cheap, long enough that there are few.
const LIMIT: usize = 128;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Run {
    shown: Vec<Shown>,
    newest: i64,
}

impl Run {
    fn new(shown: Vec<Shown>) -> Self {
        let mut run = Self { shown, newest: i64::MIN };
        run.settle();
        run
    }

    /// Works out again what is known about the entries, after one of them was taken away or replaced.
    fn settle(&mut self) {
        self.newest = self.shown.iter().map(|shown| shown.entry.mtime).max().unwrap_or(i64::MIN);
    }

    fn find(&self, path: &TreePath) -> Result<usize, usize> {
        self.shown.binary_search_by(|shown| shown.entry.path.cmp(path))
    }

    fn ends_before(&self, path: &TreePath) -> bool {
        self.shown.last().is_none_or(|last| last.entry.path < *path)
    }
}

/// Entries in order of their paths, each path once.
#[derive(Debug, Clone, Default)]
pub(super) struct Runs(Vec<Arc<Run>>);

impl Runs {
    /// Takes entries that are in order already.
    pub(super) fn of(sorted: impl Iterator<Item = Shown>) -> Self {
        let mut sorted = sorted.peekable();
        let mut runs = Vec::new();
        while sorted.peek().is_some() {
            runs.push(Arc::new(Run::new(sorted.by_ref().take(LIMIT).collect())));
        }
        Self(runs)
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|run| run.shown.len()).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The newest modification time.
    pub(super) fn newest(&self) -> Option<i64> {
        self.0.iter().map(|run| run.newest).max()
    }

    pub(super) fn get(&self, path: &TreePath) -> Option<&Shown> {
        let run = self.0.get(self.position(path))?;
        run.find(path).ok().map(|index| &run.shown[index])
    }

    pub(super) fn iter(&self) -> Iter<'_> {
        Iter { here: [].iter(), runs: self.0.iter() }
    }

    /// Everything from the first entry whose path is not smaller than `path`.
    pub(super) fn from(&self, path: &TreePath) -> Iter<'_> {
        let mut runs = self.0[self.position(path)..].iter();
        let here = runs.next().map_or(&[][..], |run| &run.shown[run.find(path).unwrap_or_else(|index| index)..]);
        Iter { here: here.iter(), runs }
    }

    /// Puts an entry in its place; one of the same path is replaced.
    pub(super) fn insert(&mut self, shown: Shown) {
        let position = self.position(&shown.entry.path).min(self.0.len().saturating_sub(1));
        let Some(run) = self.0.get_mut(position).map(Arc::make_mut) else {
            self.0.push(Arc::new(Run::new(vec![shown])));
            return;
        };
        match run.find(&shown.entry.path) {
            Ok(index) => {
                run.shown[index] = shown;
                run.settle();
            }
            Err(index) => {
                run.newest = run.newest.max(shown.entry.mtime);
                run.shown.insert(index, shown);
            }
        }
        if run.shown.len() > LIMIT {
            let behind = Run::new(run.shown.split_off(LIMIT / 2));
            run.settle();
            self.0.insert(position + 1, Arc::new(behind));
        }
    }

    pub(super) fn remove(&mut self, path: &TreePath) {
        let position = self.position(path);
        let found = self.0.get(position).and_then(|run| run.find(path).ok());
        if let Some(index) = found {
            self.cut(position, index, index + 1);
        }
    }

    /// Takes away everything from `first` up to, but without, `behind`.
    pub(super) fn remove_range(&mut self, first: &TreePath, behind: &TreePath) {
        let mut position = self.position(first);
        while let Some(run) = self.0.get(position) {
            let bound = |path| run.find(path).unwrap_or_else(|index| index);
            let (start, end, length) = (bound(first), bound(behind), run.shown.len());
            self.cut(position, start, end);
            if end < length {
                return;
            }
            position += usize::from(start > 0);
        }
    }

    /// Where these entries differ from older ones, with what is here now. Runs that both share are not looked at, so
    /// this costs what was changed, not what is there.
    pub(super) fn changes_since<'a>(&'a self, older: &'a Self) -> Vec<(&'a TreePath, Option<&'a Shown>)> {
        let (mut now, mut before) = (Cursor::of(self), Cursor::of(older));
        let mut changes = Vec::new();
        loop {
            if now.skip_shared(&mut before) {
                continue;
            }
            match (now.peek(), before.peek()) {
                (None, None) => return changes,
                (Some(new), Some(old)) if new.entry.path == old.entry.path => {
                    changes.extend((new != old).then_some((&new.entry.path, Some(new))));
                    now.advance();
                    before.advance();
                }
                (new, Some(old)) if new.is_none_or(|new| new.entry.path > old.entry.path) => {
                    changes.push((&old.entry.path, None));
                    before.advance();
                }
                (new, _) => {
                    changes.extend(new.map(|new| (&new.entry.path, Some(new))));
                    now.advance();
                }
            }
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Takes entries out of a run, and the run itself if nothing is left of it.
    fn cut(&mut self, position: usize, start: usize, end: usize) {
        let whole = start == 0 && end == self.0[position].shown.len();
        if whole {
            self.0.remove(position);
        } else if start < end {
            let run = Arc::make_mut(&mut self.0[position]);
            run.shown.drain(start..end);
            run.settle();
        }
    }

    /// The first run that does not end before `path`; the number of runs if all do.
    fn position(&self, path: &TreePath) -> usize {
        self.0.partition_point(|run| run.ends_before(path))
    }
}

/// A place in the sequence that knows where runs begin.
struct Cursor<'a> {
    runs: &'a [Arc<Run>],
    /// In the first of the runs.
    index: usize,
}

impl<'a> Cursor<'a> {
    fn of(runs: &'a Runs) -> Self {
        Self { runs: &runs.0, index: 0 }
    }

    fn peek(&self) -> Option<&'a Shown> {
        self.runs.first().map(|run| &run.shown[self.index])
    }

    fn advance(&mut self) {
        let Some((run, behind)) = self.runs.split_first() else { return };
        self.index += 1;
        if self.index == run.shown.len() {
            *self = Self { runs: behind, index: 0 };
        }
    }

    /// Goes behind a run that begins at both places and is the very same.
    fn skip_shared(&mut self, other: &mut Self) -> bool {
        match (self.runs, other.runs) {
            ([run, behind @ ..], [same, also_behind @ ..])
                if self.index == 0 && other.index == 0 && Arc::ptr_eq(run, same) =>
            {
                (self.runs, other.runs) = (behind, also_behind);
                true
            }
            _ => false,
        }
    }
}

/// Walks entries in order.
#[derive(Debug, Clone)]
pub struct Iter<'a> {
    here: std::slice::Iter<'a, Shown>,
    runs: std::slice::Iter<'a, Arc<Run>>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = &'a Shown;

    fn next(&mut self) -> Option<&'a Shown> {
        loop {
            if let Some(shown) = self.here.next() {
                return Some(shown);
            }
            self.here = self.runs.next()?.shown.iter();
        }
    }
}
