//! The memory that request bodies may take in a process (`docs/operating.md#request-bodies`).
//!
//! Requests whose token is not judged yet, or that need none, are strangers' requests: they have a small part of the budget,
//! and each address a small part of that. So callers with a good token find room, whatever strangers send. Users, who may be
//! many, have half of it, so that administrators find room, whatever users send.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The most that the bodies of all strangers hold, in bytes.
pub const STRANGERS_BYTES: usize = 8 << 20;
/// The most that the bodies of one stranger's address hold, in bytes.
pub const ADDRESS_BYTES: usize = 256 << 10;

/// The budget of all bodies. Clones share it.
#[derive(Clone, Debug)]
pub struct BodyBudget {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    most: usize,
    held: Mutex<Held>,
}

/// Whose body it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Stranger,
    User,
    Administrator,
}

#[derive(Debug, Default)]
struct Held {
    /// By all bodies.
    all: usize,
    /// By users' bodies.
    users: usize,
    /// By strangers' bodies.
    strangers: usize,
    by_address: HashMap<IpAddr, usize>,
    refused: RefusedBodies,
}

/// Requests that were refused because their body found no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RefusedBodies {
    /// Those whose token was not judged, or that need none.
    pub strangers: u64,
    /// Those of callers who administer nothing.
    pub users: u64,
    /// Those of administrators.
    pub administrators: u64,
}

/// A body that finds no room in the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("request bodies hold as much memory as they may")]
pub struct NoRoom;

/// What one request holds of the budget, as an extension of the request. It is given back when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct BodyAccount {
    entry: Arc<Entry>,
}

#[derive(Debug)]
struct Entry {
    budget: BodyBudget,
    address: IpAddr,
    charge: Mutex<Charge>,
}

#[derive(Debug)]
struct Charge {
    /// What is set aside for the body from its head on, in bytes.
    reserved: usize,
    /// What was read of it, in bytes.
    read: usize,
    /// What the budget was charged, in bytes.
    charged: usize,
    owner: Owner,
}

impl BodyBudget {
    /// A budget of so many bytes.
    pub fn new(most: usize) -> Self {
        Self { shared: Arc::new(Shared { most, held: Mutex::default() }) }
    }

    /// The account of a request from `address`, of IPv6 its network. `reserved` is what the connection may hold of the body
    /// before it is read, and a stranger of it afterwards. Without room for it the request can still prove itself.
    pub fn account(&self, address: IpAddr, reserved: usize) -> BodyAccount {
        let charge = Mutex::new(Charge { reserved, read: 0, charged: 0, owner: Owner::Stranger });
        let account = BodyAccount { entry: Arc::new(Entry { budget: self.clone(), address, charge }) };
        account.charge(0).unwrap_or_default();
        account
    }

    /// The requests that were refused so far.
    pub fn refused(&self) -> RefusedBodies {
        self.shared.held().refused
    }

    /// What all bodies hold, in bytes.
    pub fn held(&self) -> usize {
        self.shared.held().all
    }

    /// Most requests have nothing to give back at most steps, and do not wait for each other there.
    fn give_back(&self, address: IpAddr, owner: Owner, bytes: usize) {
        if bytes > 0 {
            self.shared.held().give_back(address, owner, bytes);
        }
    }
}

impl BodyAccount {
    /// The request's token is good: it is no stranger's.
    pub fn prove(&self, is_administrator: bool) {
        let mut charge = self.entry.charge();
        let owner = if is_administrator { Owner::Administrator } else { Owner::User };
        if charge.charged == 0 {
            charge.owner = owner;
            return;
        }
        let mut held = self.entry.budget.shared.held();
        // A move from part to part always fits: what was charged before the proof is little.
        held.give_back(self.entry.address, charge.owner, charge.charged);
        held.all += charge.charged;
        if owner == Owner::User {
            held.users += charge.charged;
        }
        charge.owner = owner;
    }

    /// So many bytes of the body are held from now on, beside what the connection may hold.
    ///
    /// # Errors
    /// When there is no room for more, and the request is refused; what was held stays held.
    pub fn hold(&self, bytes: usize) -> Result<(), NoRoom> {
        self.charge(bytes).inspect_err(|NoRoom| {
            let owner = self.entry.charge().owner;
            let mut held = self.entry.budget.shared.held();
            let refused = match owner {
                Owner::Stranger => &mut held.refused.strangers,
                Owner::User => &mut held.refused.users,
                Owner::Administrator => &mut held.refused.administrators,
            };
            *refused = refused.saturating_add(1);
        })
    }

    fn charge(&self, bytes: usize) -> Result<(), NoRoom> {
        let mut charge = self.entry.charge();
        let wanted = match charge.owner {
            Owner::Stranger => charge.reserved.max(bytes),
            _ => charge.reserved.saturating_add(bytes),
        };
        let Entry { budget, address, .. } = self.entry.as_ref();
        if wanted > charge.charged {
            let more = wanted - charge.charged;
            budget.shared.held().take(budget.shared.most, *address, charge.owner, more)?;
        } else {
            budget.give_back(*address, charge.owner, charge.charged - wanted);
        }
        (charge.read, charge.charged) = (bytes, wanted);
        Ok(())
    }

    /// The body has arrived: the connection holds none of it.
    pub fn arrived(&self) {
        let mut charge = self.entry.charge();
        charge.reserved = 0;
        let Entry { budget, address, .. } = self.entry.as_ref();
        let rest = charge.charged.saturating_sub(charge.read);
        budget.give_back(*address, charge.owner, rest);
        charge.charged -= rest;
    }
}

impl Entry {
    fn charge(&self) -> MutexGuard<'_, Charge> {
        self.charge.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let charge = self.charge.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.budget.give_back(self.address, charge.owner, charge.charged);
    }
}

impl Shared {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn take(&mut self, most: usize, address: IpAddr, owner: Owner, bytes: usize) -> Result<(), NoRoom> {
        let fits = |held: usize, most: usize| bytes <= most.saturating_sub(held);
        if !fits(self.all, most) {
            return Err(NoRoom);
        }
        match owner {
            Owner::Stranger => {
                let of_address = self.by_address.get(&address).copied().unwrap_or_default();
                if !fits(self.strangers, STRANGERS_BYTES) || !fits(of_address, ADDRESS_BYTES) {
                    return Err(NoRoom);
                }
                self.strangers += bytes;
                self.by_address.insert(address, of_address + bytes);
            }
            Owner::User if !fits(self.users, most / 2) => return Err(NoRoom),
            Owner::User => self.users += bytes,
            Owner::Administrator => {}
        }
        self.all += bytes;
        Ok(())
    }

    fn give_back(&mut self, address: IpAddr, owner: Owner, bytes: usize) {
        self.all = self.all.saturating_sub(bytes);
        match owner {
            Owner::Stranger => self.strangers = self.strangers.saturating_sub(bytes),
            Owner::User => self.users = self.users.saturating_sub(bytes),
            Owner::Administrator => {}
        }
        if owner == Owner::Stranger
            && let Some(of_address) = self.by_address.get_mut(&address)
        {
            *of_address = of_address.saturating_sub(bytes);
            if *of_address == 0 {
                self.by_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const MOST: usize = 64 << 20;

    fn address(n: u32) -> IpAddr {
        Ipv4Addr::from_bits(0x0a00_0000 + n).into()
    }

    /// An account that holds so much, if there is room.
    fn holding(budget: &BodyBudget, n: u32, bytes: usize) -> Result<BodyAccount, NoRoom> {
        let account = budget.account(address(n), 0);
        account.hold(bytes).map(|()| account)
    }

    #[test]
    fn strangers_have_a_part_and_each_address_a_part_of_that() {
        let budget = BodyBudget::new(MOST);
        let one = holding(&budget, 0, ADDRESS_BYTES).unwrap();
        assert!(holding(&budget, 0, 1).is_err());
        let without_room = budget.account(address(0), 1);
        assert_eq!(
            budget.refused(),
            RefusedBodies { strangers: 1, ..RefusedBodies::default() },
            "it may prove itself yet"
        );
        without_room.prove(true);
        let others: Vec<_> = (1..).map_while(|n| holding(&budget, n, ADDRESS_BYTES).ok()).collect();
        assert_eq!((1 + others.len()) * ADDRESS_BYTES, STRANGERS_BYTES);
        drop(one);
        assert!(holding(&budget, 0, ADDRESS_BYTES).is_ok());
    }

    #[test]
    fn a_caller_with_a_good_token_finds_room_whatever_strangers_hold() {
        let budget = BodyBudget::new(MOST);
        let strangers: Vec<_> = (0..).map_while(|n| holding(&budget, n, ADDRESS_BYTES).ok()).collect();
        // What its connection buffers found no room before it was proved.
        let known = budget.account(address(0), 1 << 15);
        assert!(known.hold(1).is_err());
        known.prove(true);
        assert_eq!(known.hold(MOST - STRANGERS_BYTES - (1 << 15)), Ok(()));
        assert_eq!(budget.held(), MOST);
        let other = budget.account(address(0), 0);
        other.prove(true);
        assert_eq!(other.hold(1), Err(NoRoom));
        assert_eq!(budget.refused().administrators, 1);
        drop(strangers);
        assert_eq!(other.hold(1), Ok(()));
    }

    #[test]
    fn who_proves_itself_leaves_the_strangers_part() {
        let budget = BodyBudget::new(MOST);
        let known = budget.account(address(0), ADDRESS_BYTES);
        assert!(holding(&budget, 0, 1).is_err());
        known.prove(true);
        known.prove(true);
        assert!(holding(&budget, 0, ADDRESS_BYTES).is_ok());
        assert_eq!(budget.held(), ADDRESS_BYTES);
        known.arrived();
        assert_eq!(budget.held(), 0);
    }

    #[test]
    fn everything_is_given_back_and_nothing_is_kept_of_an_address() {
        let budget = BodyBudget::new(MOST);
        for proof in [None, Some(false), Some(true)] {
            let account = budget.account(address(1), 100);
            if let Some(is_administrator) = proof {
                account.prove(is_administrator);
            }
            for bytes in [50, 10, 70, 0, 30] {
                account.hold(bytes).unwrap();
                assert_eq!(budget.held(), if proof.is_some() { 100 + bytes } else { 100 });
            }
            account.arrived();
            assert_eq!(budget.held(), 30);
            drop(account);
            assert_eq!(budget.held(), 0);
        }
        assert!(budget.shared.held().by_address.is_empty());
        let held = budget.shared.held();
        assert_eq!((held.strangers, held.users), (0, 0));
    }

    #[test]
    fn users_have_half_of_it_and_administrators_what_they_leave() {
        let budget = BodyBudget::new(MOST);
        let user = budget.account(address(0), 1);
        user.prove(false);
        assert_eq!(user.hold(MOST / 2 - 1), Ok(()));
        let other = budget.account(address(1), 0);
        other.prove(false);
        assert_eq!(other.hold(1), Err(NoRoom));
        other.prove(true);
        assert_eq!(other.hold(MOST / 2), Ok(()));
        drop(user);
        assert_eq!(budget.held(), MOST / 2);
    }
}
