// SPDX-License-Identifier: BSD-2-Clause-Patent
// What the hypervisor answers to RDMSR and WRMSR, register by register: those that KVM serves, and
// those that it refuses. Exit code: how many answers were not as they should be.
#include "boot/boot_info.h"
#include "qemu-tests/guests/raw_call.h"

using namespace vestibule;
using namespace vestibule::guests;
using x86::ExitCode;

namespace {

constexpr FieldSet rcx = FieldSet::of(Field::rcx);
constexpr FieldSet rax = FieldSet::of(Field::rax);
constexpr FieldSet rdx = FieldSet::of(Field::rdx);

bool is_served(const volatile ghcb::Page& page) {
    return ghcb::judge(page.sw_exitinfo1, page.sw_exitinfo2).kind == ghcb::Outcome::Kind::done;
}

bool read(u32 msr, u64& value) {
    ghcb::Page& page                    = prepare(ExitCode::msr, 0, 0, rcx);
    page.rcx                            = msr;
    const volatile ghcb::Page& answered = send(page);
    value = from_halves(low_half(answered.rdx), low_half(answered.rax));
    return is_served(answered);
}

bool write(u32 msr, u64 value) {
    ghcb::Page& page = prepare(ExitCode::msr, 1, 0, rcx | rax | rdx);
    page.rcx         = msr;
    page.rax         = low_half(value);
    page.rdx         = high_half(value);
    return is_served(send(page));
}

enum class Written : u8 { kept, lost, refused, taken }; // taken: what comes of it is not asked

struct Case {
    char name[28]; // in place: the stub has no addresses in its data
    u32 first;
    u32 last;
    bool readable;
    u64 reads; // before a write
    Written written;
};

constexpr u64 any = ~u64{0};

constexpr Case cases[] = {
    {"P5_MC_ADDR, P5_MC_TYPE",  0x0000'0000, 0x0000'0001, true,  0,                     Written::refused},
    {"PLATFORM_ID",             0x0000'0017, 0x0000'0017, true,  0,                     Written::refused},
    {"SPEC_CTRL, PRED_CMD",     0x0000'0048, 0x0000'0049, false, 0,                     Written::refused},
    {"microcode update",        0x0000'0079, 0x0000'0079, false, 0,                     Written::lost   },
    {"microcode patch level",   0x0000'008B, 0x0000'008B, true,  any,                   Written::lost   },
    {"P6 performance counters", 0x0000'00C1, 0x0000'00C2, true,  0,                     Written::lost   },
    {"FSB_FREQ",                0x0000'00CD, 0x0000'00CD, true,  3,                     Written::refused},
    {"PLATFORM_INFO",           0x0000'00CE, 0x0000'00CE, false, 0,                     Written::refused},
    {"MTRRcap",                 0x0000'00FE, 0x0000'00FE, true,  any,                   Written::refused},
    {"MCG_CAP",                 0x0000'0179, 0x0000'0179, true,  any,                   Written::refused},
    {"PERF_STATUS",             0x0000'0198, 0x0000'0198, true,  1000 | (u64{4} << 40), Written::refused},
    {"MCi_CTL2",                0x0000'0280, 0x0000'029F, false, 0,                     Written::refused},
    {"machine check banks",     0x0000'0400, 0x0000'047F, true,  any,                   Written::taken  },
    {"behind them",             0x0000'0480, 0x0000'0480, false, 0,                     Written::refused},
    {"TSC_DEADLINE",            0x0000'06E0, 0x0000'06E0, false, 0,                     Written::refused},
    {"KVM's clock",             0x4B56'4D00, 0x4B56'4D01, false, 0,                     Written::refused},
    {"Hyper-V's identity",      0x4000'0000, 0x4000'0000, false, 0,                     Written::refused},
    {"PerfEvtSel, PerfCtr",     0xC001'0000, 0xC001'0007, true,  0,                     Written::kept   },
    {"CLK_CTL",                 0xC001'001B, 0xC001'001B, true,  0x2000'0000,           Written::lost   },
    {"NB_CFG",                  0xC001'001F, 0xC001'001F, true,  0,                     Written::lost   },
    {"VM_CR",                   0xC001'0114, 0xC001'0114, true,  0,                     Written::lost   },
    {"VM_HSAVE_PA",             0xC001'0117, 0xC001'0117, true,  0,                     Written::kept   },
    {"PerfCtrExtCore",          0xC001'0200, 0xC001'020B, false, 0,                     Written::refused},
    {"PerfMonV2",               0xC000'0300, 0xC000'0303, false, 0,                     Written::refused},
    {"IC_CFG, DC_CFG, TW_CFG",  0xC001'1021, 0xC001'1023, true,  0,                     Written::lost   },
    {"DE_CFG",                  0xC001'1029, 0xC001'1029, true,  0,                     Written::kept   },
    {"BU_CFG2",                 0xC001'102A, 0xC001'102A, true,  0,                     Written::lost   },
};

bool holds(const Case& row, u32 msr) {
    u64 before = 0;
    if (read(msr, before) != row.readable
        || (row.readable && row.reads != any && before != row.reads)) {
        return false;
    }
    const u64 other = before ^ 0x1000;
    if (write(msr, other) == (row.written == Written::refused)) {
        return false;
    }
    u64 after = 0;
    read(msr, after);
    return !row.readable || row.written == Written::taken
           || after == (row.written == Written::kept ? other : before);
}

} // namespace

extern "C" [[noreturn]] void payload_main(const boot::BootInfo&) {
    Checks checks{};
    for (const Case& row : cases) {
        for (u32 msr = row.first; msr <= row.last; ++msr) {
            checks.that(holds(row, msr), row.name);
        }
    }
    // A bank's control register takes all ones and all zeros.
    u64 value = 0;
    checks.that(write(0x400, 0) && read(0x400, value) && value == 0, "MC0_CTL to zero");
    checks.that(write(0x400, ~u64{0}) && read(0x400, value) && value == ~u64{0}, "MC0_CTL to ones");
    checks.end();
}
