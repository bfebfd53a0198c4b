//! Which service of the base holds a row.

use super::base::Service;
use super::index::{self, Sort};
use crate::Judgement;
use crate::holder::{Held, ProcessHolder};
use crate::place::Place;
use crate::row::Row;

/// A service, and by what it was recognised.
#[derive(Clone, Copy, Debug)]
pub struct Recognised<'j> {
    /// The service.
    pub service: &'static Service,
    /// What the name is the name of.
    pub sort: Sort,
    /// The name.
    pub name: &'j str,
}

/// Recognises who holds a row, by the name that is to be believed most.
pub(crate) fn recognise<'j>(
    judgement: &'j Judgement<'_>,
    row: &'j Row<'j>,
) -> Option<Recognised<'j>> {
    let mut best: Option<Recognised<'j>> = None;
    let mut offer = |sort: Sort, name: Option<&'j str>| {
        let Some(name) = name.filter(|_| best.is_none_or(|best| sort < best.sort)) else { return };
        let service = match sort {
            Sort::Unit => unit(name),
            _ => index::find(sort, name),
        };
        if let Some(service) = service {
            best = Some(Recognised { service, sort, name });
        }
    };
    for holder in judgement.holders(row) {
        // A port forwarder holds the port for another service.
        if holder.forwards_to.is_some() {
            return None;
        }
        offer(Sort::Unit, holder.unit());
        offer(Sort::Unit, holder.place.and_then(Place::user_unit));
        // What systemd holds for a unit is not systemd's own.
        if holder.socket_unit.is_some() {
            continue;
        }
        offer(Sort::Package, package(judgement, &holder));
        offer(Sort::Executable, executable(&holder));
        offer(Sort::Comm, holder.comm());
    }
    for held in judgement.held(row) {
        match held {
            Held::Processes => {}
            Held::Kernel(owners) => {
                for owner in owners {
                    offer(Sort::Kernel, Some(&owner.subsystem));
                }
            }
            Held::Creator(creator) | Held::Nobody(creator) => offer(Sort::Unit, creator.unit()),
        }
    }
    best
}

/// The service of a unit; of an instance, that of its template.
fn unit(name: &str) -> Option<&'static Service> {
    if let Some(service) = index::find(Sort::Unit, name) {
        return Some(service);
    }
    let (stem, instance) = name.split_once('@')?;
    let suffix = instance.rsplit_once('.')?.1;
    index::find(Sort::Unit, &format!("{stem}@.{suffix}"))
}

/// The name of a holder's executable.
fn executable<'j>(holder: &ProcessHolder<'j>) -> Option<&'j str> {
    holder.process?.executable.as_ref()?.path.rsplit('/').next()
}

/// The package of a holder's executable.
pub(super) fn package<'j>(
    judgement: &'j Judgement<'_>,
    holder: &ProcessHolder<'j>,
) -> Option<&'j str> {
    let path = &holder.process?.executable.as_ref()?.path;
    let all = judgement.snapshot.packages.items();
    let at = all.binary_search_by(|known| known.path.as_str().cmp(path)).ok()?;
    all.get(at)?.name.as_deref()
}
