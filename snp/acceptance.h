// SPDX-License-Identifier: BSD-2-Clause-Patent
// Accepting memory: the hypervisor is asked to assign it, in lists, then PVALIDATE, 2 MiB at a time
// where a block of 2 MiB is wanted whole (APM volume 2, section 15.36.6).
//
// SECURITY: each page is validated once, ever. What was accepted stands in a record in the guest's
// own memory, which begins with what the launch has validated; a page that is in it is not
// validated again, whatever the hypervisor does. One that it takes away is not there any more (#VC
// 0x404), and one that it puts in its place is never validated: so neither remapping nor swapping
// works.
#pragma once

#include "snp/page_state.h"
#include "snp/pvalidate.h"
#include "x86/sev.h"

namespace vestibule::snp {

/// From `base` to before `end`, in whole pages.
struct Range {
    u64 base;
    u64 end;
};

/// What is the guest's, in ascending ranges that do not touch. The memory is the caller's.
class AcceptanceRecord {
  public:
    constexpr AcceptanceRecord(Range* room, u32 most) : ranges{room}, most{most} {}

    /// False where a page of it is in there already, or there is no room for one more range. The
    /// record is then as it was.
    constexpr bool add(Range range) {
        u32 at = 0;
        while (at < count && ranges[at].end < range.base) {
            ++at;
        }
        // ranges[at] is the first that ends behind, or touches.
        const bool joins_lower  = at < count && ranges[at].end == range.base;
        const u32 upper         = at + (joins_lower ? 1 : 0);
        const bool joins_higher = upper < count && ranges[upper].base == range.end;
        if (range.base >= range.end || (upper < count && ranges[upper].base < range.end)) {
            return false;
        }
        if (joins_lower) {
            ranges[at].end = joins_higher ? ranges[upper].end : range.end;
            if (joins_higher) {
                remove(upper);
            }
        } else if (joins_higher) {
            ranges[upper].base = range.base;
        } else {
            return insert(at, range);
        }
        return true;
    }

    /// The first stretch of `wanted` that is not in the record, from its base on; empty where all
    /// of it is.
    constexpr Range first_gap(Range wanted) const {
        for (u32 n = 0; n < count && wanted.base < wanted.end; ++n) {
            if (ranges[n].end <= wanted.base) {
                continue;
            }
            if (ranges[n].base > wanted.base) {
                return {wanted.base, ranges[n].base < wanted.end ? ranges[n].base : wanted.end};
            }
            wanted.base = ranges[n].end;
        }
        return wanted.base < wanted.end ? wanted : Range{};
    }

    constexpr u32 size() const { return count; }

    constexpr const Range& operator[](u32 n) const { return ranges[n]; }

  private:
    constexpr bool insert(u32 at, Range range) {
        if (count == most) {
            return false;
        }
        for (u32 n = count; n > at; --n) {
            ranges[n] = ranges[n - 1];
        }
        ranges[at] = range;
        ++count;
        return true;
    }

    constexpr void remove(u32 at) {
        --count;
        for (u32 n = at; n < count; ++n) {
            ranges[n] = ranges[n + 1];
        }
    }

    Range* ranges;
    u32 most;
    u32 count = 0;
};

/// The largest page with which memory from `at` to before `end` can begin.
constexpr RmpPageSize largest_at(u64 at, u64 end) {
    return at % x86::large_page_size == 0 && end - at >= x86::large_page_size ? RmpPageSize::large
                                                                              : RmpPageSize::small;
}

/// What of a page's lines may be in a cache from before it was validated, under the key of then
/// (CVE-2025-38560). Reading the first and the last byte of each 4 KiB, of a large page too, makes
/// the processor drop them; one that says COHERENCY_SFW_NO needs it not.
template <class Cpu>
void evict(u64 linear, u64 size) {
    for (u64 done = 0; done < size; done += page_size) {
        Cpu::touch(linear + done);
        Cpu::touch(linear + done + page_size - 1);
    }
}

/// How memory is accepted, beside where.
struct Acceptance {
    bool evicts;   // no COHERENCY_SFW_NO
    bool assigned; // small pages are assigned to the guest: an IGVM file's required memory
};

constexpr Acceptance acceptance_of(u32 encryption_ebx, bool assigned) {
    return {.evicts = (encryption_ebx & x86::cpuid_coherency_sfw_no) == 0, .assigned = assigned};
}

/// Asks for what of `wanted` is in no record yet. One list may be for many ranges, which do not
/// overlap.
template <class Cpu>
ghcb::Outcome ask_for_rest(PageStateList<Cpu>& list, const AcceptanceRecord& record, Range wanted,
                           Acceptance how) {
    for (;;) {
        const Range gap = record.first_gap(wanted);
        for (u64 at = gap.base; at < gap.end;) {
            const RmpPageSize size = largest_at(at, gap.end);
            if (size == RmpPageSize::large || !how.assigned) {
                const ghcb::Outcome outcome =
                    list.add(PageStateEntry::of(at, PageOperation::make_private, size));
                if (!outcome.is_done()) {
                    return outcome;
                }
            }
            at += bytes_of(size);
        }
        if (gap.base == gap.end) {
            return ghcb::Outcome::done();
        }
        wanted.base = gap.end;
    }
}

/// Validates what of `wanted` is in no record yet, by `validate(range)`, and records it.
template <class Validate>
ghcb::Outcome validate_rest_by(AcceptanceRecord& record, Range wanted, Validate validate) {
    for (;;) {
        const Range gap = record.first_gap(wanted);
        if (gap.base == gap.end) {
            return ghcb::Outcome::done();
        }
        // Recorded first: where it ends half way, none of it is ever validated again.
        if (!record.add(gap)) {
            return ghcb::Outcome::terminate(ghcb::reason::snp_accepted_already);
        }
        const ghcb::Outcome outcome = validate(gap);
        if (!outcome.is_done()) {
            return outcome;
        }
    }
}

/// By the instruction. `linear_of(gpa)` gives the private mapping of that page, or of the 2 MiB
/// that begin there, as long as it is not called again. Contents are undefined afterwards.
template <class Cpu, class LinearOf>
ghcb::Outcome validate_rest(AcceptanceRecord& record, Range wanted, Acceptance how,
                            LinearOf linear_of) {
    return validate_rest_by(record, wanted, [&](Range gap) {
        ghcb::Outcome outcome = ghcb::Outcome::done();
        for (u64 at = gap.base; at < gap.end && outcome.is_done();) {
            const RmpPageSize size = largest_at(at, gap.end);
            const u64 linear       = linear_of(at);
            outcome                = set_validated<Cpu>(linear, size, true);
            if (outcome.is_done() && how.evicts) {
                evict<Cpu>(linear, bytes_of(size));
            }
            at += bytes_of(size);
        }
        return outcome;
    });
}

/// Both, of one range.
template <class Cpu, class Alone = ghcb::Undisturbed, class LinearOf>
ghcb::Outcome accept_rest(ghcb::Channel& channel, AcceptanceRecord& record, Range wanted,
                          Acceptance how, LinearOf linear_of) {
    {
        [[maybe_unused]] const Alone alone;
        PageStateList<Cpu> list{channel};
        ghcb::Outcome asked = ask_for_rest(list, record, wanted, how);
        if (asked.is_done()) {
            asked = list.send();
        }
        if (!asked.is_done()) {
            return asked;
        }
    }
    return validate_rest<Cpu>(record, wanted, how, linear_of);
}

} // namespace vestibule::snp
