// SPDX-License-Identifier: BSD-2-Clause-Patent
// MSRs that the CPU keeps in the VMSA: the kernel writes and reads them, and no honest hypervisor
// ever sees it. One that intercepts such a register (--hostile msr:NUMBER) would answer for it.
// Exit code 0 if each register held what was written.
#include "qemu-tests/guests/library/machine.h"
#include "qemu-tests/guests/library/user.h"

using namespace vestibule;
using namespace vestibule::guests;

namespace {

struct Row {
    u32 msr;
    bool written; // else only read
    u64 value;
};

constexpr Row rows[] = {
    {0xC000'0080, false, 0                    }, // EFER
    {0xC000'0081, true,  0x001B'0008'0000'0000}, // STAR
    {0xC000'0082, true,  0x1234'5000          }, // LSTAR
    {0xC000'0083, true,  0x1234'6000          }, // CSTAR
    {0xC000'0084, true,  0x0004'7700          }, // SFMASK
    {0xC000'0100, true,  0x0012'3000          }, // FS_BASE
    {0xC000'0101, true,  0x0045'6000          }, // GS_BASE
    {0xC000'0102, true,  0x0078'9000          }, // KERNEL_GS_BASE
    {0x0000'0174, true,  0x0000'0008          }, // SYSENTER_CS
    {0x0000'0175, true,  0x1234'7000          }, // SYSENTER_ESP
    {0x0000'0176, true,  0x1234'8000          }, // SYSENTER_EIP
    {0x0000'0277, true,  0x0007'0406'0007'0406}, // PAT
    {0xC001'0131, false, 0                    }, // SEV_STATUS
    {0xC001'0130, false, 0                    }, // GHCB
};

} // namespace

extern "C" [[noreturn]] void stub_main() {
    start_machine();
    start_library(good_setup());
    say("own MSRs");
    for (const Row& row : rows) {
        const auto msr = static_cast<x86::Msr>(row.msr);
        if (row.written) {
            x86::Cpu::wrmsr(msr, row.value);
            check(x86::Cpu::rdmsr(msr) == row.value, "an MSR does not hold what was written");
        } else {
            check(x86::Cpu::rdmsr(msr) != 0x0000'5A5A'0F0F'1234, "an MSR is what somebody made up");
        }
    }
    x86::Cpu::wrmsr(x86::Msr::gs_base, 0);
    say("done");
    end_run();
}
