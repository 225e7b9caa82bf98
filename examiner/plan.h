// SPDX-License-Identifier: BSD-2-Clause-Patent
// Which cases a boot has: those of its platform, that its command line asks for, and what the
// machine lacks for some of them.
#pragma once

#include "examiner/groups.h"
#include "examiner/parameters.h"

namespace vestibule::examiner {

/// What there is to ask.
struct Machine {
    bool is_snp;
    u16 version;
    bool has_second_vcpu;
    bool is_at_vmpl0;
    bool has_secrets;
};

/// When a case is asked: those at which known hosts end the guest behind all others, and behind
/// those what looks back. Cases that end it where all is well are asked for one by one.
enum class Turn : u8 { first, risky, last };

constexpr Turn turn_of(const Case& about) {
    return (about.needs & need::last) != 0                       ? Turn::last
           : (about.needs & (need::risky | need::own_boot)) != 0 ? Turn::risky
                                                                 : Turn::first;
}

class Plan {
  public:
    constexpr Plan(const Parameters& asked, const Machine& there)
        : parameters_{asked}, machine_{there} {}

    constexpr bool has(const Case& about) const {
        const bool is_of_platform = (about.needs & need::snp) != 0      ? machine_.is_snp
                                    : (about.needs & need::sev_es) != 0 ? !machine_.is_snp
                                                                        : true;
        if (!parameters_.end.is_empty()) {
            return is_of_platform && parameters_.end.is(about.id);
        }
        return is_of_platform && (about.needs & need::own_boot) == 0
               && parameters_.only.begins(about.id);
    }

    /// Why a case of the plan is not asked, or nullptr.
    constexpr const char* lack_of(const Case& about) const {
        const struct {
            u16 need;
            bool is_there;
            const char* words;
        } rows[] = {
            {need::version_2,   machine_.version >= 2,    "protocol version 1"      },
            {need::second_vcpu, machine_.has_second_vcpu, "the file starts one vCPU"},
            {need::vmpl0,       machine_.is_at_vmpl0,     "below VMPL 0"            },
            {need::secrets,     machine_.has_secrets,     "no secrets page"         },
        };

        for (const auto& row : rows) {
            if ((about.needs & row.need) != 0 && !row.is_there) {
                return row.words;
            }
        }
        return nullptr;
    }

    unsigned count() const {
        unsigned cases = 0;
        for (const Group* group : groups) {
            group->for_each([&](const Case& about, auto) { cases += has(about) ? 1 : 0; });
        }
        return cases;
    }

  private:
    Parameters parameters_;
    Machine machine_;
};

} // namespace vestibule::examiner
