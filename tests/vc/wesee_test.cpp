// SPDX-License-Identifier: BSD-2-Clause-Patent
// WeSee (CVE-2024-25742): a hypervisor injects #VC with an exit code of its choice where no such
// instruction stands, to have it "emulated". Whatever the code, an instruction that does not raise
// it ends the guest, and the hypervisor learns nothing: there is no VMGEXIT (vc-exceptions 4 and
// 6).
#include "tests/vc/fixture.h"

namespace vestibule::test {

struct Standing {
    const char* name;
    u64 raises; // its exit code if the handler serves it, else 0
    Bytes code; // padded to 15 bytes with NOP
};

static const std::vector<Standing>& instructions() {
    static const std::vector<Standing> all = {
        {"CPUID",         0x72, {0x0F, 0xA2}                  },
        {"REX CPUID",     0x72, {0x48, 0x0F, 0xA2}            },
        {"IN AL, ib",     0x7B, {0xE4, 0x60}                  },
        {"IN EAX, ib",    0x7B, {0xE5, 0x60}                  },
        {"OUT ib, AL",    0x7B, {0xE6, 0x60}                  },
        {"OUT ib, EAX",   0x7B, {0xE7, 0x60}                  },
        {"IN AL, DX",     0x7B, {0xEC}                        },
        {"IN EAX, DX",    0x7B, {0xED}                        },
        {"OUT DX, AL",    0x7B, {0xEE}                        },
        {"OUT DX, EAX",   0x7B, {0xEF}                        },
        {"OUT DX, AX",    0x7B, {0x66, 0xEF}                  },
        {"RDMSR",         0x7C, {0x0F, 0x32}                  },
        {"WRMSR",         0x7C, {0x0F, 0x30}                  },
        {"NOP",           0,    {0x90}                        },
        {"RET",           0,    {0xC3}                        },
        {"HLT",           0,    {0xF4}                        },
        {"MOV EAX, ECX",  0,    {0x89, 0xC8}                  },
        {"MOV [RAX], AL", 0,    {0x88, 0x00}                  },
        {"SYSCALL",       0,    {0x0F, 0x05}                  },
        {"RDTSC",         0x6E, {0x0F, 0x31}                  },
        {"RDPMC",         0x6F, {0x0F, 0x33}                  },
        {"WBINVD",        0x89, {0x0F, 0x09}                  },
        {"INVD",          0x76, {0x0F, 0x08}                  },
        {"VMMCALL",       0,    {0x0F, 0x01, 0xD9}            },
        {"VMGEXIT",       0,    {0xF3, 0x0F, 0x01, 0xD9}      },
        {"RDTSCP",        0x87, {0x0F, 0x01, 0xF9}            },
        {"XSETBV",        0,    {0x0F, 0x01, 0xD1}            },
        {"BT",            0,    {0x0F, 0xA3, 0xC0}            },
        {"lone A2",       0,    {0xA2, 0, 0, 0, 0, 0, 0, 0, 0}},
        {"XOR, then A2",  0,    {0x30, 0xA2}                  },
        {"lone 32",       0,    {0x32, 0xC0}                  },
        {"lone 30",       0,    {0x30, 0xC0}                  },
        {"0F EC",         0,    {0x0F, 0xEC, 0xC0}            },
        {"0F E4",         0,    {0x0F, 0xE4, 0xC0}            },
        {"0F 38 A2",      0,    {0x0F, 0x38, 0xA2}            },
        {"0F 0F A2",      0,    {0x0F, 0x0F, 0xA2}            },
        {"0F 66 A2",      0,    {0x0F, 0x66, 0xA2}            },
        {"VEX",           0,    {0xC5, 0xF8, 0xA2}            },
        {"XOP",           0,    {0x8F, 0xE8, 0x78, 0xA2}      },
        {"EVEX",          0,    {0x62, 0xF1, 0x7C, 0x48, 0xA2}},
        {"LOCK CPUID",    0,    {0xF0, 0x0F, 0xA2}            },
        {"LOCK OUT",      0,    {0xF0, 0xEE}                  },
        {"LOCK WRMSR",    0,    {0xF0, 0x0F, 0x30}            },
        {"zeros",         0,    {0x00, 0x00, 0x00}            },
    };
    return all;
}

struct WeSeeTest : VcTest {
    WeSeeTest() {
        on_vmgexit([](RawPage view) { answer_like_kvm(view, 1, 2, 3, 4); });
    }

    ghcb::Outcome inject(u64 exit_code, const Standing& standing) {
        Bytes code = standing.code;
        code.resize(15, 0x90);
        frame = canary_frame();
        if (user_mode) {
            frame.cs = user_code64;
        }
        return handle(exit_code, code);
    }

    bool user_mode = false;
};

/// Every exit code that makes the handler look at an instruction.
static constexpr u64 decoded_codes[] = {0x6E, 0x6F, 0x72, 0x76, 0x7B, 0x7C, 0x87, 0x89};

TEST_F(WeSeeTest, NoExitCodeMovesAnInstructionThatDoesNotRaiseIt) {
    for (const u64 code : decoded_codes) {
        for (const Standing& standing : instructions()) {
            if (standing.raises == code) {
                continue;
            }
            ASSERT_TRUE(terminates(inject(code, standing), ghcb::reason::vc_opcode_mismatch))
                << standing.name << std::hex << " with exit code 0x" << code;
            ASSERT_TRUE(frame == before) << standing.name;
        }
    }
    EXPECT_EQ(MockCpu::vmgexits, 0U);
    EXPECT_TRUE(MockCpu::steps.empty());
    EXPECT_TRUE(same_page(std::bit_cast<Image>(page), Image{}));
}

TEST_F(WeSeeTest, InUserModeAMismatchIsTheProcessesOwnAffair) {
    // Another thread may have changed the instruction since it raised #VC: no end of the guest, but
    // nothing moves and nobody hears of it either.
    user_mode = true;
    for (const u64 code : decoded_codes) {
        for (const Standing& standing : instructions()) {
            if (standing.raises == code) {
                continue;
            }
            ASSERT_TRUE(raises(inject(code, standing), 6, 0))
                << standing.name << std::hex << " with exit code 0x" << code;
            ASSERT_TRUE(frame == before) << standing.name;
        }
    }
    EXPECT_TRUE(MockCpu::steps.empty());
    EXPECT_TRUE(same_page(std::bit_cast<Image>(page), Image{}));
}

TEST_F(WeSeeTest, TheInstructionsOfTheTableAreServedWhereTheyStand) {
    for (const Standing& standing : instructions()) {
        if (standing.raises != 0) {
            EXPECT_TRUE(inject(standing.raises, standing).is_done()) << standing.name;
            EXPECT_EQ(frame.rip, before.rip + standing.code.size()) << standing.name;
        }
    }
}

} // namespace vestibule::test
