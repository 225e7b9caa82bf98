// SPDX-License-Identifier: BSD-2-Clause-Patent
// What a host refuses, and that the message says what to do about it: every call, errno and SEV_RET
// code that the model can answer with, and parameters of kvm_amd as hosts have them.
#include "tests/key_file.h"
#include "tests/launcher/fixture.h"

#include "igvm/measure/id_block.h"
#include "kvm/call_text.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace vestibule::launcher::test {

namespace {
/// The message of a launch that fails; empty where it does not.
std::string message_of(PlatformType platform, const std::function<void(Model&)>& prepare,
                       ModelHost host = {}) {
    Launching own(launch_file(platform, {plain_vmsa(platform)}), std::move(host));
    prepare(own.model);
    try {
        own.launch(platform);
    } catch (const LaunchError& error) {
        return error.what();
    }
    return "";
}

void expect_in(const std::string& text, std::initializer_list<std::string_view> parts) {
    for (const std::string_view part : parts) {
        EXPECT_NE(text.find(part), std::string::npos) << text << "\n  lacks: " << part;
    }
}

constexpr abi::Sev es_commands[]  = {abi::Sev::init2,
                                     abi::Sev::launch_start,
                                     abi::Sev::launch_update_data,
                                     abi::Sev::launch_update_vmsa,
                                     abi::Sev::launch_measure,
                                     abi::Sev::launch_finish};
constexpr abi::Sev snp_commands[] = {abi::Sev::init2, abi::Sev::snp_launch_start,
                                     abi::Sev::snp_launch_update, abi::Sev::snp_launch_finish};
} // namespace

TEST(LauncherCallText, ReadsEveryArgumentAsTheKernelDoes) {
    const auto text = [](u64 request, const auto& argument) {
        return kvm::call_text(request,
                              reinterpret_cast<u64>(&argument), // NOLINT: as the kernel is given
                              [](u64 address) { return "<" + std::to_string(address) + ">"; });
    };
    const abi::MemoryRegion2 region{.slot               = 1,
                                    .flags              = 4,
                                    .guest_phys_addr    = 0x1000,
                                    .memory_size        = 0x2000,
                                    .userspace_addr     = 77,
                                    .guest_memfd_offset = 0x3000,
                                    .guest_memfd        = 9,
                                    .pad1               = 0,
                                    .pad2               = {}};
    EXPECT_EQ(
        text(abi::set_user_memory_region2, region),
        "KVM_SET_USER_MEMORY_REGION2(slot 0x1, flags 0x4, gpa 0x1000, size 0x2000, host <77>, "
        "memfd_offset 0x3000, memfd 0x9)");
    abi::Msrs msrs{};
    msrs.count      = 2;
    msrs.entries[0] = {.index = 0x277, .reserved = 0, .data = 0x70406};
    msrs.entries[1] = {.index = 0x174, .reserved = 0, .data = 5};
    EXPECT_EQ(text(abi::set_msrs, msrs),
              "KVM_SET_MSRS(count 0x2, msr 0x277, value 0x70406, msr 0x174, value 0x5)");
    msrs.count = 0;
    EXPECT_EQ(text(abi::set_msrs, msrs), "KVM_SET_MSRS(count 0x0)");
    kvm_debugregs debug{};
    debug.dr6 = 6;
    debug.dr7 = 7;
    EXPECT_EQ(text(KVM_SET_DEBUGREGS, debug), "KVM_SET_DEBUGREGS(dr6 0x6, dr7 0x7)");
    kvm_sregs sregs{};
    sregs.cs.selector     = 8;
    sregs.ldt.limit       = 0x11;
    sregs.idt.limit       = 0x22;
    sregs.apic_base       = 0x33;
    const std::string all = text(KVM_SET_SREGS, sregs);
    for (const char* part : {"(cs 0x0, limit 0x0, selector 0x8", "ldt 0x0, limit 0x11, selector",
                             "idt 0x0, limit 0x22, cr0 0x0", "efer 0x0, apic_base 0x33)"}) {
        EXPECT_NE(all.find(part), std::string::npos) << all;
    }
    abi::SnpLaunchFinish finish{};
    finish.id_auth_uaddr = 5;
    finish.auth_key_en   = 1;
    const abi::SevCommand command{.id     = abi::Sev::snp_launch_finish,
                                  .pad    = 0,
                                  .data   = reinterpret_cast<u64>(&finish), // NOLINT
                                  .error  = 0,
                                  .sev_fd = 0};
    EXPECT_EQ(text(KVM_MEMORY_ENCRYPT_OP, command),
              "KVM_MEMORY_ENCRYPT_OP(SEV_SNP_LAUNCH_FINISH: id_block <0>, id_auth <5>, id_block_en "
              "0x0, auth_key_en 0x1, vcek_disabled 0x0)");
    EXPECT_EQ(kvm::call_text(KVM_CREATE_VCPU, 3, {}), "KVM_CREATE_VCPU(0x3)");
    EXPECT_EQ(kvm::call_text(0x1234, 3, {}), "0x1234()");
    EXPECT_EQ(kvm::command_name(static_cast<abi::Sev>(99)), "0x63");
}

TEST(LauncherErrors, DevicesThatCannotBeOpened) {
    struct Row {
        const char* path;
        int error;
        std::initializer_list<std::string_view> parts;
    };

    const Row rows[] = {
        {"/dev/kvm",
         ENOENT,             {"/dev/kvm: No such file", "ENOENT", "`modprobe kvm_amd`", "firmware setup"}},
        {"/dev/kvm", EACCES, {"/dev/kvm: Permission denied", "usermod -aG kvm"}                          },
        {"/dev/kvm", EBUSY,  {"/dev/kvm: Device or resource busy (EBUSY)"}                               },
        {"/dev/sev", ENOENT, {"/dev/sev: No such file", "`modprobe ccp`", "SMEE"}                        },
        {"/dev/sev", EACCES, {"/dev/sev: Permission denied", "chgrp kvm /dev/sev"}                       },
    };
    for (const Row& row : rows) {
        expect_in(message_of(PlatformType::sev_snp,
                             [&](Model& model) { model.refuse_open(row.path, row.error); }),
                  row.parts);
    }
}

TEST(LauncherErrors, CallsThatAreRefused) {
    struct Row {
        u64 request;
        int error;
        std::initializer_list<std::string_view> parts;
    };

    const Row rows[] = {
        {KVM_CREATE_VM,                EINVAL, {"KVM_CREATE_VM(0x4)", "EINVAL", "sev_snp=1", "6.11"}     },
        {KVM_CREATE_VM,                EBUSY,  {"KVM_CREATE_VM", "another hypervisor"}                   },
        {KVM_CREATE_VCPU,              EINVAL, {"KVM_CREATE_VCPU(0x0)", "fewer --vcpus"}                 },
        {abi::create_guest_memfd,      ENOTTY, {"KVM_CREATE_GUEST_MEMFD", "6.11"}                        },
        {abi::set_user_memory_region2, ENOMEM, {"KVM_SET_USER_MEMORY_REGION2(slot 0x0", "ENOMEM"}        },
        {abi::set_memory_attributes,   ENOTTY, {"KVM_SET_MEMORY_ATTRIBUTES(gpa 0x8000", "6.11"}          },
        {KVM_SET_SREGS,                EINVAL, {"KVM_SET_SREGS(cs 0x0", "VP context", "`igvmtool check`"}},
        {KVM_SET_REGS,                 EINVAL, {"KVM_SET_REGS(rax 0x1111", "EINVAL"}                     },
        {KVM_SET_XCRS,                 EINVAL, {"KVM_SET_XCRS", "XCR0"}                                  },
        {KVM_ENABLE_CAP,               EINVAL, {"KVM_ENABLE_CAP(cap 0xc9", "EINVAL"}                     },
        {abi::get_supported_cpuid,     E2BIG,  {"KVM_GET_SUPPORTED_CPUID", "E2BIG"}                      },
    };
    for (const Row& row : rows) {
        expect_in(message_of(PlatformType::sev_snp,
                             [&](Model& model) { model.refuse(row.request, row.error); }),
                  row.parts);
    }
    const auto es = [](u64 request, int error) {
        return message_of(PlatformType::sev_es,
                          [&](Model& model) { model.refuse(request, error); });
    };
    expect_in(es(SEV_ISSUE_CMD, ENOTTY),
              {"SEV_ISSUE_CMD(command 0x1)", "not the secure processor"});
    expect_in(es(SEV_ISSUE_CMD, EIO), {"SEV_ISSUE_CMD", "dmesg"});
    expect_in(es(KVM_MEMORY_ENCRYPT_REG_REGION, ENOMEM),
              {"KVM_MEMORY_ENCRYPT_REG_REGION(host ", "`ulimit -l`"});
}

TEST(LauncherErrors, CommandsThatKvmRefuses) {
    struct Row {
        int error;
        std::string_view advice;
    };

    const Row rows[] = {
        {ENOTTY, "modprobe kvm_amd sev=1 sev_es=1 sev_snp=1"},
        {ENODEV, "the secure processor is not initialized"  },
        {EBADF,  "/dev/sev"                                 },
        {EPERM,  "this VM's type does not allow"            },
        {ENOMEM, "ulimit -l"                                },
        {EFAULT, "Bad address (EFAULT)"                     },
    };
    for (const Row& row : rows) {
        for (const abi::Sev command : es_commands) {
            expect_in(message_of(PlatformType::sev_es,
                                 [&](Model& model) { model.refuse(command, row.error, 0); }),
                      {kvm::command_name(command) + ": ", row.advice});
        }
        for (const abi::Sev command : snp_commands) {
            expect_in(message_of(PlatformType::sev_snp,
                                 [&](Model& model) { model.refuse(command, row.error, 0); }),
                      {kvm::command_name(command) + ": ", row.advice});
        }
    }
    const auto snp = [](abi::Sev command, int error) {
        return message_of(PlatformType::sev_snp,
                          [&](Model& model) { model.refuse(command, error, 0); });
    };
    expect_in(snp(abi::Sev::init2, EBUSY), {"SEV_INIT2", "EBUSY", "ASID", "firmware setup"});
    expect_in(snp(abi::Sev::init2, EINVAL), {"SEV_INIT2", "SEV_FEATURES"});
    expect_in(snp(abi::Sev::snp_launch_start, EINVAL),
              {"SEV_SNP_LAUNCH_START", "bit 17", "bit 18"});
    expect_in(snp(abi::Sev::snp_launch_update, EEXIST), {"two contents for one page"});
    expect_in(message_of(PlatformType::sev_es,
                         [](Model& model) { model.refuse(abi::Sev::es_init, EBUSY, 0); },
                         {.release = "6.1.0", .vm_types = 0}),
              {"SEV_ES_INIT", "EBUSY", "ASID"});
    // What a newer kernel puts there where the firmware was not asked.
    expect_in(message_of(PlatformType::sev_es,
                         [](Model& model) { model.refuse(abi::Sev::launch_start, ENODEV, ~0u); }),
              {"SEV_LAUNCH_START: No such device (ENODEV): the secure processor"});
}

TEST(LauncherErrors, EveryAnswerOfTheFirmwareHasItsNameAndAdvice) {
    struct Row {
        u32 code;
        std::string_view name;
        std::string_view advice;
    };

    const Row rows[] = {
        {0x01, "INVALID_PLATFORM_STATE", "modprobe ccp"                   },
        {0x02, "INVALID_GUEST_STATE",    "an error of this program"       },
        {0x04, "INVALID_LENGTH",         "an error of this program"       },
        {0x06, "INVALID_CERTIFICATE",    "sevctl session"                 },
        {0x07, "POLICY_FAILURE",         "GUEST_POLICY"                   },
        {0x09, "INVALID_ADDRESS",        "an error of this program"       },
        {0x0A, "BAD_SIGNATURE",          "igvmtool sign"                  },
        {0x0B, "BAD_MEASUREMENT",        "ID block"                       },
        {0x0C, "ASID_OWNED",             "end other SEV guests"           },
        {0x0D, "INVALID_ASID",           "firmware setup"                 },
        {0x0E, "WBINVD_REQUIRED",        "update the kernel"              },
        {0x0F, "DFFLUSH_REQUIRED",       "DF_FLUSH"                       },
        {0x16, "INVALID_PARAM",          "CPUID page"                     },
        {0x17, "RESOURCE_LIMIT",         "end other SEV guests"           },
        {0x19, "INVALID_PAGE_SIZE",      "RMP"                            },
        {0x1A, "INVALID_PAGE_STATE",     "two contents"                   },
        {0x1C, "INVALID_PAGE_OWNER",     "another guest"                  },
        {0x1D, "AEAD_OFLOW",             "start it anew"                  },
        {0x21, "INVALID_GUEST_SVN",      "too low"                        },
        {0x22, "INVALID_VERSION",        "must be 1"                      },
        {0x27, "INVALID_KEY",            "P-384"                          },
        {0x99, "0x99",                   "that this program does not know"},
    };
    for (const Row& row : rows) {
        const std::string answer = ": the firmware answers ";
        for (const abi::Sev command : es_commands) {
            expect_in(message_of(PlatformType::sev_es,
                                 [&](Model& model) { model.refuse(command, EIO, row.code); }),
                      {kvm::command_name(command) + answer, row.name, row.advice});
        }
        for (const abi::Sev command : snp_commands) {
            expect_in(message_of(PlatformType::sev_snp,
                                 [&](Model& model) { model.refuse(command, EIO, row.code); }),
                      {kvm::command_name(command) + answer, row.name, row.advice});
        }
    }
}

TEST(LauncherErrors, HostsThatLackSomething) {
    const std::string parameters = "/sys/module/kvm_amd/parameters/";

    struct Row {
        PlatformType platform;
        std::map<std::string, std::string> files;
        u64 vm_types;
        std::initializer_list<std::string_view> parts;
    };

    const Row rows[] = {
        {PlatformType::sev_es,  {},                                0,    {"kvm_amd is not loaded"}                        },
        {PlatformType::sev_es,
         {{parameters + "nested", "1\n"}},
         0,                                                              {"no parameter sev_es", "5.11"}                  },
        {PlatformType::sev_snp,
         {{parameters + "nested", "1\n"}},
         0,                                                              {"no parameter sev_snp", "6.11"}                 },
        {PlatformType::sev_es,
         {{parameters + "sev_es", "N\n"}},
         0,                                                              {"sev_es off", "modprobe kvm_amd sev=1 sev_es=1"}},
        {PlatformType::sev_es,
         {{parameters + "sev_es", "0\n"}},
         0,                                                              {"sev_es off", "firmware setup"}                 },
        {PlatformType::sev_snp, {{parameters + "sev_snp", "N\n"}}, 0x1F, {"sev_snp off", "RMP"}                           },
        {PlatformType::sev_snp, {{parameters + "sev_snp", "Y\n"}}, 0xF,  {"makes no SNP guests"}                          },
    };
    for (const Row& row : rows) {
        expect_in(message_of(row.platform, [](Model&) {},
                             {.release = "6.10", .vm_types = row.vm_types, .files = row.files}),
                  row.parts);
    }
}

TEST(LauncherErrors, AutomaticallyTheStrongestThatBothHave) {
    using igvm::Writer;
    Writer writer;
    u32 masks = 0;
    for (const PlatformType platform :
         {PlatformType::native, PlatformType::sev_es, PlatformType::sev_snp}) {
        masks |= writer.add_platform(platform);
    }
    writer.add_page(igvm::test::page_data(masks, 0x1000), igvm::test::hlt_page());
    const Bytes bytes = igvm::test::must_finish(writer);
    const auto file   = *igvm::parse(bytes);
    const auto choose = [&](std::map<std::string, std::string> files) {
        Model model({.files = std::move(files)});
        Calls calls(model);
        return choose_platform(model, kvm::open_host(calls), file, std::nullopt);
    };
    const std::string es  = "/sys/module/kvm_amd/parameters/sev_es";
    const std::string snp = "/sys/module/kvm_amd/parameters/sev_snp";
    EXPECT_EQ(choose({
                         {es,  "Y"},
                         {snp, "Y"}
    })
                  .platform,
              PlatformType::sev_snp);
    EXPECT_TRUE(choose({
                           {es,  "Y"},
                           {snp, "Y"}
    })
                    .passed_over.empty());
    const Choice second = choose({
        {es,  "Y"},
        {snp, "N"}
    });
    EXPECT_EQ(second.platform, PlatformType::sev_es);
    ASSERT_EQ(second.passed_over.size(), 1U);
    expect_in(second.passed_over[0], {"sev-snp: kvm_amd has sev_snp off"});
    EXPECT_EQ(choose({
                         {es,  "1\n"},
                         {snp, "0\n"}
    })
                  .platform,
              PlatformType::sev_es);
    EXPECT_EQ(choose({}).platform, PlatformType::native);
    EXPECT_EQ(choose({}).passed_over.size(), 2U);

    const Bytes other = launch_file(PlatformType::sev_snp, {});
    Model model;
    Calls calls(model);
    try {
        choose_platform(model, kvm::open_host(calls), *igvm::parse(other), PlatformType::native);
        FAIL();
    } catch (const LaunchError& error) {
        expect_in(error.what(), {"found sev-snp, expected native among the file's platforms"});
    }
}

TEST(LauncherErrors, VpContextsThatKvmRefuses) {
    const auto refused = [](auto change) {
        x86::Vmsa vmsa = plain_vmsa(PlatformType::sev_es);
        change(vmsa);
        Launching own(launch_file(PlatformType::sev_es, {vmsa}));
        try {
            own.launch(PlatformType::sev_es);
        } catch (const LaunchError& error) {
            return std::string(error.what());
        }
        return std::string();
    };
    expect_in(refused([](x86::Vmsa& vmsa) { vmsa.efer = 0x1100; }),
              {"KVM_SET_SREGS", "VP context"});
    expect_in(refused([](x86::Vmsa& vmsa) { vmsa.xcr0 = 2; }), {"KVM_SET_XCRS", "XCR0"});
    expect_in(refused([](x86::Vmsa& vmsa) { vmsa.dr7 = 0x401; }),
              {"SEV_LAUNCH_UPDATE_VMSA", "DR7"});
    expect_in(refused([](x86::Vmsa& vmsa) { vmsa.g_pat = ~u64{0}; }),
              {"KVM_SET_MSRS", "MSR 0x277"});
    expect_in(refused([](x86::Vmsa& vmsa) { vmsa.sev_features = 0x40; }),
              {"SEV_INIT2", "SEV_FEATURES"});
}

TEST(LauncherErrors, AnIdBlockIsTheFirmwaresToCheck) {
    using namespace igvm;
    const igvm::test::KeyFile file;
    const PrivateKey key = file.read();
    const auto launch    = [&key](const auto& change) {
        Writer writer;
        const u32 mask = writer.add_platform(PlatformType::sev_snp);
        SnpIdBlock block{};
        block.compatibility_mask = mask;
        block.version            = 1;
        const Bytes plain = launch_file(PlatformType::sev_snp, {plain_vmsa(PlatformType::sev_snp)});
        Launching measured(plain);
        measured.launch(PlatformType::sev_snp);
        std::ranges::copy(measured.expected.digest, block.ld);
        sign(block, default_snp_policy, key, nullptr);
        change(block);
        auto signed_file = with_id_block(*parse(plain), block, default_snp_policy);
        EXPECT_TRUE(signed_file);
        Launching own(*signed_file);
        try {
            own.launch(PlatformType::sev_snp);
        } catch (const FirmwareError& error) {
            return std::pair(error.code, std::string(error.what()));
        }
        return std::pair(0u, std::string());
    };
    EXPECT_EQ(launch([](SnpIdBlock&) {}).second, "");
    const auto unsigned_block = launch([](SnpIdBlock& block) { block.guest_svn = 5; });
    EXPECT_EQ(unsigned_block.first, 0x0AU);
    expect_in(unsigned_block.second,
              {"SEV_SNP_LAUNCH_FINISH", "0xa BAD_SIGNATURE", "igvmtool sign"});
    const auto other_digest = launch([&key](SnpIdBlock& block) {
        block.ld[0] ^= 1;
        sign(block, default_snp_policy, key, nullptr);
    });
    EXPECT_EQ(other_digest.first, kvm::sev_ret::bad_measurement);
    expect_in(other_digest.second, {"0xb BAD_MEASUREMENT"});
}

} // namespace vestibule::launcher::test
