// SPDX-License-Identifier: BSD-2-Clause-Patent
// What code outside CPL 0 may ask of the hypervisor. The instructions check privilege and CR4
// before they are intercepted (APM volume 2, section 15.9), so most rows only refuse what a
// hypervisor made up; but a process talks to nobody outside the guest unless the program says so.
#pragma once

#include "ghcb/outcome.h"
#include "vc/ioio.h"
#include "vc/request.h"
#include "x86/descriptor.h"
#include "x86/registers.h"

namespace vestibule::vc {

enum class UserMode : u8 {
    refused,            // #GP
    served,             //
    served_unless_tsd,  // #GP if CR4.TSD
    served_if_pce,      // #GP unless CR4.PCE, and the kernel fixes up what may come behind VMGEXIT
    asks_program,       // #GP unless IOPL or I/O map let it, and Context::user_may
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

/// Whether IOPL, or else the I/O permission map of the TSS, lets this CPL have the instruction's
/// ports (APM volume 1, section 3.8.3; volume 2, section 12.2.5). The CPU has looked at both,
/// unless the hypervisor made the #VC up.
template <class Cpu>
[[gnu::noinline, clang::minsize]] bool may_use_ports(const Request& request) {
    constexpr unsigned iopl_shift  = 12;
    const Instruction& instruction = request.instruction;
    const unsigned iopl            = static_cast<unsigned>(request.frame.rflags >> iopl_shift) & 3;
    if (request.code.cpl <= iopl) {
        return true;
    }
    x86::TableRegister task{};
    if (!Cpu::task_state(task) || task.limit < sizeof(x86::TaskState) - 1) {
        return false;
    }
    const auto* state = reinterpret_cast<const volatile x86::TaskState*>(task.base);
    const auto port   = static_cast<u16>(first_port(request));
    // Two bytes always, as the CPU reads them: four ports need not begin with a byte's.
    const u64 at = u64{state->io_map_base} + port / 8;
    if (at + 1 > task.limit) {
        return false;
    }
    const auto* map     = reinterpret_cast<const volatile u8*>(task.base + at);
    const unsigned bits = map[0] | unsigned{map[1]} << 8;
    const unsigned all  = (1U << instruction.operand_size) - 1;
    return (bits >> port % 8 & all) == 0;
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
    case UserMode::served_if_pce:
        allowed =
            (!Cpu::serves_kernel || request.context.fixes_up) && (Cpu::cr4() & x86::cr4::pce) != 0;
        break;
    case UserMode::asks_program:
        allowed = (!Cpu::serves_kernel || may_use_ports<Cpu>(request)) && may();
        break;
    case UserMode::asks_program_or_ud:
        vector  = x86::exception::invalid_opcode;
        allowed = may();
        break;
    case UserMode::no_instruction: vector = x86::exception::invalid_opcode; break;
    }
    return allowed ? Outcome::done() : Outcome::raise(vector);
}

} // namespace vestibule::vc
