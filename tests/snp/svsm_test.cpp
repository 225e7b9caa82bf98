// SPDX-License-Identifier: BSD-2-Clause-Patent
// Calls of an SVSM: what goes into the area and the registers, and what is made of the answers, of
// a hypervisor that does not run it too.
#include "snp/vtpm.h"

#include "tests/ghcb/mock.h"

#include <algorithm>

namespace vestibule::test {

namespace reason = ghcb::reason;
using snp::SvsmRegisters;

struct SvsmCpu : MockCpu {
    static inline std::function<void(SvsmRegisters&)> service;

    static void vmgexit_with_registers(SvsmRegisters& registers) {
        steps.push_back({"vmgexit"});
        service(registers);
    }
};

struct SvsmTest : testing::Test {
    SvsmTest() {
        MockCpu::reset();
        SvsmCpu::service = [this](SvsmRegisters& registers) {
            asked.push_back(registers);
            EXPECT_EQ(area.call_pending, 1);
            EXPECT_EQ(MockCpu::ghcb_msr, 0x016);
            area.call_pending = 0;
            MockCpu::ghcb_msr = 0x017;
            serve(registers);
        };
    }

    ~SvsmTest() override { MockCpu::reset(); }

    /// Pages of a PVALIDATE list, as the specification lays it out.
    void take_list(unsigned done, u64 code, SvsmRegisters& registers) {
        const u64 header = area.buffer[0];
        EXPECT_EQ(registers.rcx, 0xB000 + 8);
        EXPECT_EQ(header >> 16, 0);
        const unsigned count = header & 0xFFFF;
        done                 = std::min(done, count);
        for (unsigned n = 0; n < done; ++n) {
            entries.push_back(area.buffer[1 + n]);
        }
        area.buffer[0] = header | u64{done} << 16;
        registers.rax  = done == count && code == 0 ? 0 : code;
    }

    std::function<void(SvsmRegisters&)> serve = [](SvsmRegisters& registers) { registers.rax = 0; };
    alignas(4096) snp::SvsmCallingArea area{};
    snp::Svsm svsm{.area = &area, .area_gpa = 0xB000, .vmpl = 1};
    std::vector<SvsmRegisters> asked;
    std::vector<u64> entries;
};

TEST_F(SvsmTest, FoundInTheSecretsPage) {
    snp::SecretsPage secrets{};
    snp::Svsm found{};
    ASSERT_TRUE(snp::find_svsm(secrets, found).is_done());
    EXPECT_EQ(found.vmpl, 0); // there is none
    secrets.svsm_size       = 0x10'0000;
    secrets.svsm_caa        = 0x20'0000;
    secrets.svsm_guest_vmpl = 2;
    ASSERT_TRUE(snp::find_svsm(secrets, found).is_done());
    EXPECT_EQ(found.vmpl, 2);
    EXPECT_EQ(found.area_gpa, 0x20'0000);
    for (const auto& [vmpl, caa] : {
             std::pair{u8{0}, u64{0x20'0000}},
             std::pair{u8{4}, u64{0x20'0000}},
             std::pair{u8{1}, u64{0x20'0008}},
             std::pair{u8{1}, u64{0}        }
    }) {
        secrets.svsm_guest_vmpl = vmpl;
        secrets.svsm_caa        = caa;
        EXPECT_TRUE(terminates(snp::find_svsm(secrets, found), reason::svsm_area));
    }
}

TEST_F(SvsmTest, CalledByRegisters) {
    SvsmRegisters registers{.rcx = 1, .rdx = 2, .r8 = 3, .r9 = 4};
    serve = [](SvsmRegisters& answer) {
        answer = {.rax = 5, .rcx = 6, .rdx = 7, .r8 = 8, .r9 = 9};
    };
    ASSERT_TRUE(
        snp::call_svsm<SvsmCpu>(svsm, snp::SvsmProtocol::attestation, 1, registers).is_done());
    EXPECT_EQ(asked[0].rax, 0x1'0000'0001);
    EXPECT_EQ(asked[0].rcx, 1);
    EXPECT_EQ(asked[0].r9, 4);
    EXPECT_EQ(registers.rax, 5);
    EXPECT_EQ(registers.r8, 8);
}

/// A hypervisor that goes on at once, or that says so.
TEST_F(SvsmTest, NotRun) {
    SvsmRegisters registers{};
    SvsmCpu::service = [](SvsmRegisters& answer) {
        answer.rax        = 0;
        MockCpu::ghcb_msr = 0x017;
    };
    EXPECT_TRUE(terminates(snp::ask_svsm<SvsmCpu>(svsm, snp::SvsmCore::query, registers),
                           reason::svsm_not_answering));
    EXPECT_EQ(area.call_pending, 0); // whoever runs it later finds nothing to do
    SvsmCpu::service = [this](SvsmRegisters&) {
        area.call_pending = 0;
        MockCpu::ghcb_msr = 0x1'0000'0017;
    };
    EXPECT_TRUE(terminates(snp::ask_svsm<SvsmCpu>(svsm, snp::SvsmCore::query, registers),
                           reason::svsm_not_answering));
}

TEST_F(SvsmTest, CoreCalls) {
    snp::SvsmVersions versions{};
    serve = [](SvsmRegisters& answer) {
        answer.rax = 0;
        answer.rcx = 0x3'0000'0002;
    };
    ASSERT_TRUE(snp::query_svsm<SvsmCpu>(svsm, snp::SvsmProtocol::attestation, versions).is_done());
    EXPECT_EQ(versions.lowest, 2);
    EXPECT_EQ(versions.highest, 3);
    EXPECT_EQ(asked.back().rcx, 0x1'0000'0001);
    ASSERT_TRUE(
        snp::create_svsm_vcpu<SvsmCpu>(svsm, {.apic_id = 5, .vmsa_gpa = 0x6000, .area_gpa = 0x7000})
            .is_done());
    EXPECT_EQ(asked.back().rax, 2);
    EXPECT_EQ(asked.back().rcx, 0x6000);
    EXPECT_EQ(asked.back().rdx, 0x7000);
    EXPECT_EQ(asked.back().r8, 5);
    ASSERT_TRUE(snp::delete_svsm_vcpu<SvsmCpu>(svsm, 0x6000).is_done());
    EXPECT_EQ(asked.back().rax, 3);
    serve = [](SvsmRegisters& answer) { answer.rax = snp::svsm_result::unsupported_call; };
    EXPECT_TRUE(terminates(snp::delete_svsm_vcpu<SvsmCpu>(svsm, 0x6000), reason::svsm_refused));
}

/// The area changes when the SVSM has taken the new one, and not before.
TEST_F(SvsmTest, AttestsByBuffers) {
    const auto wanted = [] {
        return snp::SvsmAttestationRequest{
            .report           = {0x1000, 0x1000, 0},
            .nonce            = {0x2000, 32, 0},
            .manifest         = {0x3000, 0x800, 0},
            .certificates     = {0x4000, 0x2000, 0},
            .service          = {7},
            .manifest_version = 3,
            .reserved         = 0
        };
    };
    serve = [&](SvsmRegisters& registers) {
        EXPECT_EQ(registers.rcx, 0xB008U);
        EXPECT_EQ(area.buffer[0], 0x1000U); // the layout's places
        EXPECT_EQ(area.buffer[3], 32U);
        EXPECT_EQ(area.buffer[4], 0x3000U);
        EXPECT_EQ(area.buffer[7], 0x2000U);
        EXPECT_EQ(area.buffer[8], 7U);
        EXPECT_EQ(area.buffer[10], 3U);
        registers = {.rax = 0, .rcx = 0x100, .rdx = 0x1800, .r8 = 0x4A0, .r9 = 0};
    };
    auto request = wanted();
    ASSERT_TRUE(snp::attest_by_svsm<SvsmCpu>(svsm, snp::SvsmAttestation::single_service, request)
                    .is_done());
    EXPECT_EQ(asked.back().rax, u64{1} << 32 | 1);
    EXPECT_EQ(request.manifest.size, 0x100U);
    EXPECT_EQ(request.certificates.size, 0x1800U);
    EXPECT_EQ(request.report.size, 0x4A0U);

    // Too little room, something else, a size that cannot be.
    struct Row {
        u64 rax;
        u64 r8;
        u32 size;
    };

    for (const Row& row : {
             Row{snp::svsm_result::invalid_parameter,    0x2000, 0x2000},
             Row{snp::svsm_result::unsupported_protocol, 0x2000, 0     },
             Row{0,                                      0x1001, 0x1001}
    }) {
        serve   = [&](SvsmRegisters& registers) { registers = {.rax = row.rax, .r8 = row.r8}; };
        request = wanted();
        EXPECT_TRUE(
            terminates(snp::attest_by_svsm<SvsmCpu>(svsm, snp::SvsmAttestation::services, request),
                       reason::svsm_refused));
        EXPECT_EQ(asked.back().rax, u64{1} << 32);
        EXPECT_EQ(request.report.size, row.size);
    }
    // Refused, and no register touched but RAX.
    serve   = [](SvsmRegisters& registers) { registers.rax = snp::svsm_result::invalid_parameter; };
    request = wanted();
    EXPECT_TRUE(
        terminates(snp::attest_by_svsm<SvsmCpu>(svsm, snp::SvsmAttestation::services, request),
                   reason::svsm_refused));
    EXPECT_EQ(request.manifest.size, 0U);
}

TEST_F(SvsmTest, AsksForAVirtualTpm) {
    serve = [](SvsmRegisters& registers) {
        registers = {.rax = 0, .rcx = 0x100, .rdx = 3, .r8 = 9, .r9 = 9};
    };
    snp::VtpmOffers offers{};
    ASSERT_TRUE(snp::query_vtpm<SvsmCpu>(svsm, offers).is_done());
    EXPECT_EQ(asked.back().rax, u64{2} << 32);
    EXPECT_EQ(offers.commands, 0x100U);
    EXPECT_EQ(offers.features, 3U);
    serve = [](SvsmRegisters& registers) {
        registers.rax = snp::svsm_result::unsupported_protocol;
        registers.rcx = 0x100;
    };
    EXPECT_TRUE(terminates(snp::query_vtpm<SvsmCpu>(svsm, offers), reason::svsm_refused));
    EXPECT_EQ(offers.commands, 0U);
}

TEST_F(SvsmTest, SendsATpmCommand) {
    alignas(4096) u8 page[page_size]{};
    const snp::VtpmPage by{.at = page, .gpa = 0xC000};
    const u8 command[] = {0x80, 0x01, 0x00, 0x00, 0x00, 0x0C};
    u8 response[16]{};
    u32 size = sizeof response;
    u64 code = 0;
    u32 told = 3;
    serve    = [&](SvsmRegisters& registers) {
        EXPECT_EQ(registers.rax, u64{2} << 32 | 1);
        EXPECT_EQ(registers.rcx, 0xC000U);
        EXPECT_EQ(page[0], 8); // TPM_SEND_COMMAND
        EXPECT_EQ(page[4], 2); // the locality
        EXPECT_EQ(page[5], sizeof command);
        EXPECT_EQ(page[9], 0x80);
        EXPECT_EQ(page[14], 0x0C);
        std::memcpy(page, &told, sizeof told);
        std::copy_n("abc", 3, page + 4);
        registers.rax = code;
    };
    const auto send = [&] {
        return snp::send_vtpm_command<SvsmCpu>(svsm, by, 2, {command, sizeof command}, response,
                                               size);
    };
    ASSERT_TRUE(send().is_done());
    EXPECT_EQ(size, 3U);
    EXPECT_EQ(std::memcmp(response, "abc", 4), 0);

    // Less room, a size that no page holds, a refusal: nothing is written.
    for (const auto& [answer, room, sized, result] : {
             std::tuple{u64{0},                              u32{2},           u32{3},             u32{3}},
             {u64{0},                              u32{0xFFFF'FFFF}, u32{page_size - 3}, u32{0}},
             {snp::svsm_result::invalid_parameter, u32{16},          u32{3},             u32{0}}
    }) {
        std::memset(response, 0, sizeof response);
        code = answer;
        size = room;
        told = sized;
        EXPECT_TRUE(terminates(send(), reason::svsm_refused));
        EXPECT_EQ(size, result);
        EXPECT_EQ(response[0], 0);
    }
    for (const u64 count : {u64{0}, u64{snp::vtpm_most_command} + 1}) {
        EXPECT_TRUE(terminates(
            snp::send_vtpm_command<SvsmCpu>(svsm, by, 0, {command, count}, response, size),
            reason::call_argument));
    }
}

TEST_F(SvsmTest, RemapsItsArea) {
    alignas(4096) snp::SvsmCallingArea other{};
    serve = [](SvsmRegisters& answer) { answer.rax = snp::svsm_result::invalid_address; };
    EXPECT_TRUE(
        terminates(snp::remap_calling_area<SvsmCpu>(svsm, &other, 0xC000), reason::svsm_refused));
    EXPECT_EQ(svsm.area, &area);
    serve = [](SvsmRegisters& answer) { answer.rax = 0; };
    ASSERT_TRUE(snp::remap_calling_area<SvsmCpu>(svsm, &other, 0xC000).is_done());
    EXPECT_EQ(asked.back().rax, 0);
    EXPECT_EQ(asked.back().rcx, 0xC000);
    EXPECT_EQ(svsm.area, &other);
    EXPECT_EQ(svsm.area_gpa, 0xC000);
}

constexpr u64 mib = 1 << 20;

TEST_F(SvsmTest, ValidatesByLists) {
    serve = [this](SvsmRegisters& answer) { take_list(~0U, 0, answer); };
    ASSERT_TRUE(snp::set_validated_by_svsm<SvsmCpu>(svsm, {2 * mib - 4096, 4 * mib + 8192}, true)
                    .is_done());
    EXPECT_EQ(entries, (std::vector<u64>{(2 * mib - 4096) | 4, 2 * mib | 5, 4 * mib | 4,
                                         (4 * mib + 4096) | 4}));
    EXPECT_EQ(asked.size(), 1);
    EXPECT_EQ(asked[0].rax, 1);
    entries.clear();
    ASSERT_TRUE(snp::set_validated_by_svsm<SvsmCpu>(svsm, {0x3000, 0x4000}, false).is_done());
    EXPECT_EQ(entries, std::vector<u64>{0x3000});
}

TEST_F(SvsmTest, ValidatesMoreThanAListHolds) {
    serve = [this](SvsmRegisters& answer) { take_list(~0U, 0, answer); };
    ASSERT_TRUE(snp::set_validated_by_svsm<SvsmCpu>(svsm, {0x1000, 0x1000 + 511 * page_size}, true)
                    .is_done());
    EXPECT_EQ(entries.size(), 511);
    EXPECT_EQ(asked.size(), 2);
}

/// It may break off after any entry; and not without one.
TEST_F(SvsmTest, GoesOnWhereItBrokeOff) {
    serve = [this](SvsmRegisters& answer) { take_list(3, snp::svsm_result::incomplete, answer); };
    ASSERT_TRUE(snp::set_validated_by_svsm<SvsmCpu>(svsm, {0x1000, 0x9000}, true).is_done());
    ASSERT_EQ(entries.size(), 8);
    for (u64 n = 0; n < 8; ++n) {
        EXPECT_EQ(entries[n], (0x1000 + n * page_size) | 4);
    }
    serve = [this](SvsmRegisters& answer) { take_list(0, snp::svsm_result::incomplete, answer); };
    EXPECT_TRUE(terminates(snp::set_validated_by_svsm<SvsmCpu>(svsm, {0x1000, 0x9000}, true),
                           reason::svsm_refused));
}

TEST_F(SvsmTest, PageByPageWhereTheSizeIsAnother) {
    serve = [this](SvsmRegisters& answer) {
        const u64 count = area.buffer[0] & 0xFFFF;
        for (unsigned n = 0; n < count; ++n) {
            if (area.buffer[1 + n] == (4 * mib | 5)) {
                take_list(n, snp::svsm_result::of_protocol + 6, answer);
                return;
            }
        }
        take_list(~0U, 0, answer);
    };
    ASSERT_TRUE(snp::set_validated_by_svsm<SvsmCpu>(svsm, {2 * mib, 8 * mib}, true).is_done());
    ASSERT_EQ(entries.size(), 514);
    EXPECT_EQ(entries.front(), 2 * mib | 5);
    EXPECT_EQ(entries[1], 4 * mib | 4);
    EXPECT_EQ(entries[512], (6 * mib - 4096) | 4);
    EXPECT_EQ(entries.back(), 6 * mib | 5);
    // A small page that is said to be of another size is nothing that can be.
    serve = [this](SvsmRegisters& answer) {
        take_list(0, snp::svsm_result::of_protocol + 6, answer);
    };
    EXPECT_TRUE(terminates(snp::set_validated_by_svsm<SvsmCpu>(svsm, {0x1000, 0x2000}, true),
                           reason::svsm_refused));
    EXPECT_TRUE(terminates(snp::set_validated_by_svsm<SvsmCpu>(svsm, {2 * mib, 4 * mib}, true),
                           reason::svsm_refused));
}

TEST_F(SvsmTest, ProgressThatCannotBe) {
    for (const auto& [done, code] : {
             std::pair{9U,      u64{0}                      },
             std::pair{1U,      u64{0}                      },
             std::pair{1U,      u64{0x8000'0005}            },
             std::pair{0xFFFFU, snp::svsm_result::incomplete}
    }) {
        serve = [&](SvsmRegisters& answer) {
            area.buffer[0] = (area.buffer[0] & 0xFFFF) | u64{done} << 16;
            answer.rax     = code;
        };
        EXPECT_TRUE(terminates(snp::set_validated_by_svsm<SvsmCpu>(svsm, {0x1000, 0x9000}, true),
                               reason::svsm_refused))
            << done << ", " << code;
    }
}

} // namespace vestibule::test
