// What code outside CPL 0 may ask of the hypervisor. The instructions check privilege and CR4
// before they are intercepted (APM volume 2, section 15.9), so most rows only refuse what a
// hypervisor made up; but a process talks to nobody outside the guest unless the program says so.
#pragma once

#include "ghcb/outcome.h"
#include "vc/request.h"
#include "x86/registers.h"

namespace vestibule::vc {

enum class UserMode : u8 {
    refused,            // #GP
    served,             //
    served_unless_tsd,  // #GP if CR4.TSD
    served_if_pce,      // #GP unless CR4.PCE
    asks_program,       // Context::user_may, else #GP
    asks_program_or_ud, // Context::user_may, else #UD, as where no hypervisor intercepts it
    no_instruction,     // #UD
};

struct UserModeRow {
    Mnemonic mnemonic;
    UserMode rule;
};

/// MSRs, caches, debug registers and memory-mapped I/O have no row: refused.
inline constexpr UserModeRow user_mode_rows[] = {
    {Mnemonic::cpuid,    UserMode::served            },
    {Mnemonic::rdtsc,    UserMode::served_unless_tsd },
    {Mnemonic::rdtscp,   UserMode::served_unless_tsd },
    {Mnemonic::rdpmc,    UserMode::served_if_pce     },
    {Mnemonic::in,       UserMode::asks_program      },
    {Mnemonic::out,      UserMode::asks_program      },
    {Mnemonic::ins,      UserMode::asks_program      },
    {Mnemonic::outs,     UserMode::asks_program      },
    {Mnemonic::monitor,  UserMode::no_instruction    },
    {Mnemonic::mwait,    UserMode::no_instruction    },
    {Mnemonic::monitorx, UserMode::served            },
    {Mnemonic::mwaitx,   UserMode::served            },
    {Mnemonic::vmmcall,  UserMode::asks_program_or_ud},
};

/// The same by mnemonic.
struct UserModeTable {
    UserMode rule[static_cast<u8>(Mnemonic::write_dr7) + 1];

    static consteval UserModeTable make() {
        UserModeTable table{};
        for (const UserModeRow& row : user_mode_rows) {
            table.rule[static_cast<u8>(row.mnemonic)] = row.rule;
        }
        return table;
    }
};

inline constexpr UserModeTable user_mode_table = UserModeTable::make();

constexpr UserMode user_mode_rule(Mnemonic mnemonic) {
    return mnemonic <= Mnemonic::write_dr7 ? user_mode_table.rule[static_cast<u8>(mnemonic)]
                                           : UserMode::refused;
}

/// Done where this request of a CPL other than 0 may be served.
template <class Cpu>
[[gnu::noinline, clang::minsize]] ghcb::Outcome judge_user_mode(const Request& request) {
    using ghcb::Outcome;
    const auto may = [&] {
        return request.context.user_may != nullptr && request.context.user_may(request);
    };
    u8 vector    = x86::exception::general_protection;
    bool allowed = false;
    switch (user_mode_rule(request.instruction.mnemonic)) {
    case UserMode::refused: break;
    case UserMode::served: allowed = true; break;
    case UserMode::served_unless_tsd: allowed = (Cpu::cr4() & x86::cr4::tsd) == 0; break;
    case UserMode::served_if_pce: allowed = (Cpu::cr4() & x86::cr4::pce) != 0; break;
    case UserMode::asks_program: allowed = may(); break;
    case UserMode::asks_program_or_ud:
        vector  = x86::exception::invalid_opcode;
        allowed = may();
        break;
    case UserMode::no_instruction: vector = x86::exception::invalid_opcode; break;
    }
    return allowed ? Outcome::done() : Outcome::raise(vector);
}

} // namespace vestibule::vc
