// SPDX-License-Identifier: BSD-2-Clause-Patent
// explain must name every cause it knows: each is planted into a launch, alone and in pairs, and
// has to come back by name. The planted digest is computed by measure(), which shares nothing with
// the search but the chain.
#include "tests/igvm/firmware_fixture.h"
#include "tests/igvm/launch_fixture.h"

#include "igvm/explain/explain.h"
#include "igvm/measure/firmware_launch.h"
#include "x86/sev.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <set>

namespace vestibule::igvm::test {

namespace {
/// Something to launch, and how.
struct Base {
    std::shared_ptr<const Bytes> bytes;
    Plan plan;
    std::function<std::expected<Launch, std::string>(const Plan&)> launch;
};

using Names = std::set<std::string>;

/// With something in it for each cause that an IGVM file can meet; the VMSA for so many vCPUs.
Bytes varied_file(PlatformType platform, const x86::Vmsa& vmsa, u64 vmsa_gpa, u16 vmsas) {
    Writer writer;
    const bool snp = platform == PlatformType::sev_snp;
    const u32 mask = writer.add_platform(platform);
    writer.add(ParameterArea{
        .number_of_bytes = 3 * page_size, .parameter_area_index = 0, .file_offset = 0});
    Bytes page = hlt_page();
    for (u64 i = 0; i < 10; ++i) {
        page[1] = static_cast<u8>(i);
        writer.add_page(page_data(mask, 0x20000 + i * page_size), page);
    }
    writer.add(
        ParameterInsert{.gpa = 0x80000, .compatibility_mask = mask, .parameter_area_index = 0});
    writer.add_page(page_data(mask, 0x10000), {});
    writer.add_page(page_data(mask, 0x11000), {});
    page[2] = 1;
    writer.add_page(page_data(mask, 0x12000, PageDataType::normal, PageData::unmeasured), page);
    writer.add_page(page_data(mask, 0x13000, PageDataType::normal, PageData::shared), page);
    if (snp) {
        writer.add_page(page_data(mask, 0x14000, PageDataType::secrets), {});
        writer.add_page(page_data(mask, 0x15000, PageDataType::cpuid_data), {});
    }
    for (u16 vcpu = 0; vcpu < vmsas; ++vcpu) {
        add_vmsa(writer, mask, vmsa, vcpu, vmsa_gpa);
    }
    writer.add_page(page_data(mask, 0x40000), page);
    return must_finish(writer);
}

Base igvm_base(PlatformType platform, Vmm vmm, const x86::Vmsa& vmsa, std::optional<u32> vcpus,
               u64 vmsa_gpa = x86::vmsa_gpa, u16 vmsas = 1) {
    Base base{.bytes  = std::make_shared<const Bytes>(varied_file(platform, vmsa, vmsa_gpa, vmsas)),
              .plan   = {},
              .launch = {}};
    base.plan.options       = options_for(platform, vmm);
    base.plan.options.vcpus = vcpus;
    base.launch             = [bytes = base.bytes, file = *parse(*base.bytes)](const Plan& plan) {
        return launch_of(file, plan.options);
    };
    return base;
}

Base firmware_base(PlatformType platform, Vmm vmm, u32 vcpus, const std::string& line) {
    Base base{.bytes = std::make_shared<const Bytes>(amd_sev_volume()), .plan = {}, .launch = {}};
    base.plan.options       = options_for(platform, vmm);
    base.plan.options.vcpus = vcpus;
    base.plan.boot          = DirectBoot{
                 .kernel = sha256(Bytes{1, 2, 3}), .initrd = sha256(Bytes{4, 5}), .command_line = line};
    base.launch = [bytes = base.bytes, firmware = *parse_firmware(*base.bytes)](const Plan& plan) {
        return launch_of(firmware, {.launch     = plan.options,
                                    .hash_table = plan.boot ? std::optional(hash_table(*plan.boot))
                                                            : std::nullopt});
    };
    return base;
}

/// All that causes set to one value, at another.
x86::Vmsa odd_vmsa(u64 features) {
    x86::Vmsa vmsa  = qemu_vmsa(features);
    vmsa.g_pat      = 0x0606'0606'0606'0606;
    vmsa.dr6        = 0xFFFF'0FF1;
    vmsa.dr7        = 0x401;
    vmsa.mxcsr      = 0x1FA0;
    vmsa.x87_fcw    = 0x40;
    vmsa.tr.base    = 0x3000;
    vmsa.ldtr.base  = 0x4000;
    vmsa.gdtr.limit = vmsa.idtr.limit = 0x7F;
    vmsa.rdx                          = 0x1234;
    vmsa.xcr0                         = 3;
    vmsa.cr3                          = 0x20'0000;
    return vmsa;
}

std::vector<Base> bases() {
    constexpr auto snp = PlatformType::sev_snp;
    constexpr auto es  = PlatformType::sev_es;
    std::vector<Base> all;
    all.push_back(igvm_base(snp, Vmm::qemu, qemu_vmsa(1), 2));
    all.push_back(igvm_base(snp, Vmm::kvm_6_12, odd_vmsa(1), 3));
    all.push_back(igvm_base(snp, Vmm::igvm, odd_vmsa(1), {}, 0x90000));
    all.push_back(igvm_base(snp, Vmm::cloud_hypervisor, qemu_vmsa(1), {}));
    all.push_back(igvm_base(es, Vmm::kvm_6_12, odd_vmsa(0), 2));
    all.push_back(igvm_base(es, Vmm::qemu, qemu_vmsa(0), 2));
    all.push_back(firmware_base(snp, Vmm::qemu, 2, "quiet "));
    all.push_back(firmware_base(es, Vmm::gce, 3, "console=ttyS0"));
    all.push_back(firmware_base(snp, Vmm::gce, 2, ""));
    all.back().plan.options.cpu_signature = 0xA1'0F10;
    all.push_back(firmware_base(snp, Vmm::qemu_11_1, 2, "quiet"));
    all.back().plan.options.cpu_signature = 0xA1'0F10;
    x86::Vmsa started                     = odd_vmsa(1); // somewhere, and with a C-bit
    started.cr3 |= bit(51);
    started.cs.base = 0x80'0000;
    started.rip     = 0xB004;
    all.push_back(igvm_base(snp, Vmm::kvm_6_12, started, 2, x86::vmsa_gpa, 2));
    return all;
}

/// Whether a cause is the one of its name that says in which vCPUs something is altered.
bool is_precise(const Cause& cause, const std::vector<Step>& steps) {
    bool there[2]{};
    bool altered[2]{};
    for (const Step& step : steps) {
        if (step.type != PageType::vmsa) {
            continue;
        }
        const auto before = load<x86::Vmsa>(step.data);
        auto after        = before;
        cause.vmsa(after);
        const bool other     = step.vcpu != 0;
        there[other ? 1 : 0] = true;
        altered[other ? 1 : 0] =
            altered[other ? 1 : 0] || std::memcmp(&after, &before, sizeof(after)) != 0;
    }
    if (cause.first_vcpu && cause.others) {
        return altered[0] == there[0] && altered[1] == there[1];
    }
    return there[0] && there[1];
}

/// The digest of a launch with causes planted; nothing where they change nothing or cannot be, or
/// where a cause for other vCPUs has the same effect.
std::optional<Bytes> planted(const Base& base, const std::vector<const Cause*>& causes) {
    const auto digest = [&](const std::vector<const Cause*>& these) -> std::optional<Bytes> {
        Plan plan = base.plan;
        for (const Cause* cause : these) {
            if (cause->plan) {
                cause->plan(plan);
            }
        }
        auto launch = base.launch(plan);
        if (!launch) {
            return std::nullopt;
        }
        for (const Cause* cause : these) {
            if (cause->steps) {
                cause->steps(launch->steps);
            }
        }
        for (const Cause* cause : these) {
            if (cause->narrower && !is_precise(*cause, launch->steps)) {
                return std::nullopt;
            }
        }
        for (Step& step : launch->steps) {
            if (step.type != PageType::vmsa) {
                continue;
            }
            auto vmsa = load<x86::Vmsa>(step.data);
            for (const Cause* cause : these) {
                if (cause->vmsa && (step.vcpu == 0 ? cause->first_vcpu : cause->others)) {
                    cause->vmsa(vmsa);
                }
            }
            const auto bytes = bytes_of(vmsa);
            step.data        = launch->owned.emplace_back(bytes.begin(), bytes.end());
        }
        return measure(*launch, 1);
    };
    const auto all = digest(causes);
    for (u64 left_out = 0; left_out < causes.size(); ++left_out) {
        auto fewer = causes;
        fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(left_out));
        if (!all || digest(fewer) == all) {
            return std::nullopt;
        }
    }
    return all;
}

using Matches = std::function<bool(const Chain&)>;

Answer ask(const Base& base, const Matches& matches, unsigned most_causes) {
    auto answer = explain({.plan         = base.plan,
                           .alternatives = {},
                           .launch       = base.launch,
                           .file         = *base.bytes,
                           .matches      = matches,
                           .most_causes  = most_causes,
                           .threads      = 2,
                           .progress     = {}});
    EXPECT_TRUE(answer);
    return std::move(*answer);
}

Answer ask(const Base& base, const Bytes& digest, unsigned most_causes) {
    return ask(base, [&](const Chain& chain) { return chain.equals(digest); }, most_causes);
}

Names names_of(const std::vector<const Cause*>& causes) {
    Names names;
    for (const Cause* cause : causes) {
        names.insert(cause->name);
    }
    return names;
}

std::string text(const Answer& answer) {
    std::string all;
    for (const Explanation& explanation : answer.explanations) {
        for (const std::string& line : explanation.words) {
            all += line + "\n";
        }
        all += "--\n";
    }
    return all;
}

bool names(const Answer& answer, const Names& wanted) {
    return std::ranges::any_of(answer.explanations, [&](const Explanation& explanation) {
        return names_of(explanation.causes) == wanted;
    });
}

bool is_long() { return std::getenv("VESTIBULE_LONG") != nullptr; }
} // namespace

TEST(IgvmExplain, EveryCauseIsFound) {
    Names never;
    for (const Base& base : bases()) {
        for (const Cause& cause : causes_for(base.plan)) {
            never.insert(cause.name);
        }
    }
    const u64 all = never.size();
    for (const Base& base : bases()) {
        const auto causes = causes_for(base.plan);
        for (const Cause& cause : causes) {
            if (!never.contains(cause.name)) {
                continue;
            }
            const auto digest = planted(base, {&cause});
            if (!digest) {
                continue;
            }
            const Answer answer = ask(base, *digest, 1);
            EXPECT_TRUE(names(answer, {cause.name}))
                << cause.name << " under " << base.plan.options.vmm.name << ", found:\n"
                << text(answer);
            never.erase(cause.name);
        }
    }
    for (const std::string& name : never) {
        ADD_FAILURE() << "never planted: " << name;
    }
    EXPECT_GT(all, 150u);
}

namespace {
struct Pair {
    std::vector<const Cause*> causes;
    Bytes digest;
};

std::vector<Pair> random_pairs(const Base& base, const std::vector<Cause>& causes, unsigned count,
                               std::mt19937& random) {
    std::vector<Pair> pairs;
    while (pairs.size() < count) {
        const Cause& first  = causes[random() % causes.size()];
        const Cause& second = causes[random() % causes.size()];
        if (first.group == second.group) {
            continue;
        }
        // In the table's order: a page appended before all zero pages change their type changes
        // too.
        std::vector<const Cause*> both = {std::min(&first, &second), std::max(&first, &second)};
        if (auto digest = planted(base, both)) {
            pairs.push_back({.causes = std::move(both), .digest = std::move(*digest)});
        }
    }
    return pairs;
}

/// Looks for several pairs in one search, which costs as much as for one. Takes those away that
/// fewer causes explain as well, then all, and says how many came back as they were planted.
unsigned find_pairs(const Base& base, std::vector<Pair>& pairs, u64& tried) {
    const auto digest_of = [&](const Explanation& explanation) {
        return planted(base, explanation.causes);
    };
    while (!pairs.empty()) {
        const Answer answer = ask(
            base,
            [&](const Chain& chain) {
                return std::ranges::find(pairs, chain.digest(), &Pair::digest) != pairs.end();
            },
            2);
        tried += answer.tried;
        if (answer.explanations.empty()) {
            ADD_FAILURE() << "none of " << pairs.size() << " pairs found";
            return 0;
        }
        if (answer.explanations.front().causes.size() == 2) {
            unsigned exact = 0;
            for (const Pair& pair : pairs) {
                const bool back = names(answer, names_of(pair.causes));
                EXPECT_TRUE(back) << pair.causes[0]->name << " with " << pair.causes[1]->name
                                  << " under " << base.plan.options.vmm.name << ", found:\n"
                                  << text(answer);
                exact += back ? 1 : 0;
            }
            pairs.clear();
            return exact;
        }
        // One cause does the same as two; whatever is said has to be true.
        const u64 before = pairs.size();
        for (const Explanation& explanation : answer.explanations) {
            const auto digest = digest_of(explanation);
            std::erase_if(pairs, [&](const Pair& pair) { return pair.digest == digest; });
        }
        if (pairs.size() == before) {
            ADD_FAILURE() << "a wrong explanation:\n" << text(answer);
            return 0;
        }
    }
    return 0;
}
} // namespace

TEST(IgvmExplain, RandomPairsAreFound) {
    const auto all           = bases();
    const unsigned per_base  = is_long() ? 200 : 20;
    constexpr unsigned batch = 10; // explain lists 64 explanations, and each may have some others
    std::mt19937 random(20240705); // NOLINT(bugprone-random-generator-seed)
    unsigned wanted  = 0;
    unsigned exact   = 0;
    u64 tried        = 0;
    const auto start = std::chrono::steady_clock::now();
    for (const Base& base : all) {
        const auto causes = causes_for(base.plan);
        for (unsigned done = 0; done < per_base; done += batch) {
            auto pairs = random_pairs(base, causes, batch, random);
            wanted += batch;
            exact += find_pairs(base, pairs, tried);
        }
    }
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    std::printf("%u pairs, %u of them named as they were planted, %llu hypotheses in %.1f s\n",
                wanted, exact, static_cast<unsigned long long>(tried), seconds.count());
    EXPECT_GE(wanted, 200u);
    EXPECT_GE(exact * 10, wanted * 9);
}

TEST(IgvmExplain, ATripleIsFound) {
    const Base base   = bases()[0];
    const auto causes = causes_for(base.plan);
    std::vector<const Cause*> chosen;
    for (const Cause& cause : causes) {
        if (cause.name == "zero pages as ZERO"
            || cause.name == "SEV_FEATURES bit 5 (DebugSwap) in every vCPU"
            || cause.name == "no FPU state in every vCPU") {
            chosen.push_back(&cause);
        }
    }
    const auto digest = planted(base, chosen);
    ASSERT_TRUE(digest);
    const Answer answer = ask(base, *digest, 3);
    EXPECT_TRUE(names(answer, names_of(chosen))) << text(answer);
    // Smaller ones come first, so there are none.
    EXPECT_EQ(answer.explanations.front().causes.size(), 3u);
}

/// Where VMSAs come first, what follows them is told apart by its content too.
TEST(IgvmExplain, PagesBehindVmsasAreTold) {
    const Base base   = bases()[7];
    const auto causes = causes_for(base.plan);
    std::vector<const Cause*> chosen;
    for (const Cause& cause : causes) {
        if (cause.name == "VMSAs before the pages" || cause.name == "empty command line") {
            chosen.push_back(&cause);
        }
    }
    const auto digest = planted(base, chosen);
    ASSERT_TRUE(digest);
    const Answer answer = ask(base, *digest, 2);
    EXPECT_TRUE(names(answer, names_of(chosen))) << text(answer);
}

TEST(IgvmExplain, SaysFieldAndBothValues) {
    const Base base    = bases()[0];
    const auto causes  = causes_for(base.plan);
    const auto explain = [&](const std::string& name) {
        const auto cause = std::ranges::find(causes, name, &Cause::name);
        EXPECT_NE(cause, causes.end()) << name;
        return text(ask(base, *planted(base, {&*cause}), 1));
    };
    EXPECT_NE(explain("SEV_FEATURES bit 5 (DebugSwap) in every vCPU")
                  .find("sev_features at 0x3b0: 0x1 here, 0x21 there; Linux 6.6"),
              std::string::npos);
    EXPECT_NE(explain("4 vCPUs").find("2 here, 4 there"), std::string::npos);
    EXPECT_NE(explain("zero pages as ZERO").find("of type 1 at 0x10000"), std::string::npos);
}

/// Every field that a cause alters is named, and of which vCPUs.
TEST(IgvmExplain, SaysEveryField) {
    const Base base   = bases()[0];
    const auto causes = causes_for(base.plan);
    const auto words  = [&](const std::string& name) {
        const auto cause = std::ranges::find(causes, name, &Cause::name);
        EXPECT_NE(cause, causes.end()) << name;
        return text(ask(base, *planted(base, {&*cause}), 1));
    };
    EXPECT_NE(words("no FPU state in every vCPU")
                  .find("VMSA of each vCPU, mxcsr at 0x408: 0x1f80 here, 0x0 there, x87_fcw at "
                        "0x410: 0x37f here, 0x0 there; Linux before 6.10"),
              std::string::npos);
    EXPECT_NE(words("no FPU state in APs").find("VMSA of vCPUs from 1 on, mxcsr"),
              std::string::npos);
    EXPECT_NE(words("RDX 0 in VP 0").find("VMSA of vCPU 0, rdx at 0x310: 0x800f12 here"),
              std::string::npos);
    EXPECT_NE(words("SS accessed the other way in every vCPU")
                  .find("ss.attributes at 0x22: 0x93 here, 0x92"),
              std::string::npos);
}

/// EveryCauseIsFound plants a cause by the cause itself. What each does to a VMSA has to be this,
/// by offsets and values as the architecture's tables and the monitors' sources have them.
TEST(IgvmExplain, WhatCausesDoToAVmsa) {
    struct Word {
        const char* cause;
        u64 offset;
        u64 value; // of eight bytes
    };

    // From odd_vmsa(1). MXCSR is at 0x408 with FTW and FSW behind it, FCW at 0x410.
    constexpr Word words[] = {
        {"no FPU state",                                0x408, 0                    },
        {"no FPU state",                                0x410, 0                    },
        {"FPU as at reset",                             0x408, 0x1F80               },
        {"FPU as at reset",                             0x410, 0x37F                },
        {"FCW 0",                                       0x410, 0                    },
        {"MXCSR 0",                                     0x408, 0                    },
        {"G_PAT as at reset",                           0x268, 0x0007'0406'0007'0406},
        {"G_PAT of GCE",                                0x268, 0x0007'0106          },
        {"G_PAT 0",                                     0x268, 0                    },
        {"DR6 as at reset",                             0x168, 0xFFFF'0FF0          },
        {"DR6 0",                                       0x168, 0                    },
        {"DR7 0x400",                                   0x160, 0x400                },
        {"DR7 0",                                       0x160, 0                    },
        {"CR0.ET the other way",                        0x158, 0                    },
        {"CR0.NE the other way",                        0x158, 0x30                 },
        {"CR0.CD and NW the other way",                 0x158, 0x6000'0010          },
        {"CR4.MCE the other way",                       0x148, 0                    },
        {"EFER.SVME the other way",                     0x0D0, 0                    },
        {"TR base from LDTR",                           0x098, 0x4000               },
        {"TR base 0",                                   0x098, 0                    },
        {"TR 16-bit against 32-bit",                    0x090, 0xFFFF'0083'0000     },
        {"CS accessed the other way",                   0x010, 0xFFFF'009A'F000     },
        {"SS accessed the other way",                   0x020, 0xFFFF'0092'0000     },
        {"data segments accessed the other way",        0x000, 0xFFFF'0092'0000     },
        {"data segments accessed the other way",        0x030, 0xFFFF'0092'0000     },
        {"data segments accessed the other way",        0x040, 0xFFFF'0092'0000     },
        {"data segments accessed the other way",        0x050, 0xFFFF'0092'0000     },
        {"GDTR and IDTR limit 0xffff",                  0x060, 0xFFFF'0000'0000     },
        {"GDTR and IDTR limit 0xffff",                  0x080, 0xFFFF'0000'0000     },
        {"GDTR and IDTR limit 0",                       0x060, 0                    },
        {"GDTR and IDTR limit 0",                       0x080, 0                    },
        {"RDX 0",                                       0x310, 0                    },
        {"RDX 0x600",                                   0x310, 0x600                },
        {"RDX of EPYC-Rome",                            0x310, 0x83'0F10            },
        {"RDX of EPYC-Milan",                           0x310, 0xA0'0F11            },
        {"RDX of EPYC-Genoa",                           0x310, 0xA1'0F10            },
        {"RDX of EPYC-Turin",                           0x310, 0xB0'0F00            },
        {"RDX of EPYC",                                 0x310, 0x80'0F12            },
        {"RDX of the host, EPYC Genoa,",                0x310, 0xA1'0F11            },
        {"RDX of the host, EPYC Turin,",                0x310, 0xB0'0F21            },
        {"XCR0 0",                                      0x3E8, 0                    },
        {"XCR0 7",                                      0x3E8, 7                    },
        {"C-bit 47 in CR3",                             0x150, 0x8000'0020'0000     },
        {"C-bit 51 in CR3",                             0x150, 0x8'0000'0020'0000   },
        {"start at the reset vector",                   0x018, 0xFFFF'0000          },
        {"start at the reset vector",                   0x178, 0xFFF0               },
        {"SEV_FEATURES bit 0 (SNPActive)",              0x3B0, 0                    },
        {"SEV_FEATURES bit 1 (vTOM)",                   0x3B0, 0x3                  },
        {"SEV_FEATURES bit 2 (ReflectVC)",              0x3B0, 0x5                  },
        {"SEV_FEATURES bit 3 (RestrictedInjection)",    0x3B0, 0x9                  },
        {"SEV_FEATURES bit 4 (AlternateInjection)",     0x3B0, 0x11                 },
        {"SEV_FEATURES bit 5 (DebugSwap)",              0x3B0, 0x21                 },
        {"SEV_FEATURES bit 6 (PreventHostIBS)",         0x3B0, 0x41                 },
        {"SEV_FEATURES bit 7 (BTBIsolation)",           0x3B0, 0x81                 },
        {"SEV_FEATURES bit 8 (VmplSSS)",                0x3B0, 0x101                },
        {"SEV_FEATURES bit 9 (SecureTSC)",              0x3B0, 0x201                },
        {"SEV_FEATURES bit 10 (VmgexitParameter)",      0x3B0, 0x401                },
        {"SEV_FEATURES bit 11 (PMCVirtualization)",     0x3B0, 0x801                },
        {"SEV_FEATURES bit 12 (IbsVirtualization)",     0x3B0, 0x1001               },
        {"SEV_FEATURES bit 13 (GuestInterceptControl)", 0x3B0, 0x2001               },
        {"SEV_FEATURES bit 14 (VmsaRegProt)",           0x3B0, 0x4001               },
        {"SEV_FEATURES bit 15 (SmtProtection)",         0x3B0, 0x8001               },
        {"SEV_FEATURES bit 16 (SecureAVIC)",            0x3B0, 0x1'0001             },
        {"SEV_FEATURES bit 21 (IbpbOnEntry)",           0x3B0, 0x20'0001            },
    };

    x86::Vmsa before   = odd_vmsa(1);
    before.cs.base     = 0x80'0000;
    before.rip         = 0xB004;
    const auto page_of = [](const x86::Vmsa& vmsa) {
        const auto bytes = bytes_of(vmsa);
        return Bytes(bytes.begin(), bytes.end());
    };
    const auto causes = causes_for(bases()[0].plan);
    std::map<std::string, Bytes> wanted;
    for (const Word& word : words) {
        Bytes& page = wanted.try_emplace(word.cause, page_of(before)).first->second;
        store(page, word.offset, word.value);
    }

    struct Choice {
        std::string where;
        bool first;
        bool others;
    };

    const Choice choices[] = {
        {.where = " in every vCPU", .first = true,  .others = true },
        {.where = " in VP 0",       .first = true,  .others = false},
        {.where = " in APs",        .first = false, .others = true }
    };
    u64 of_vmsa = 0;
    for (const auto& [base, page] : wanted) {
        for (const Choice& choice : choices) {
            const std::string name = base + choice.where;
            const auto cause       = std::ranges::find(causes, name, &Cause::name);
            if (base.starts_with("SEV_FEATURES") && !(choice.first && choice.others)) {
                EXPECT_EQ(cause, causes.end()) << name; // the guest's, not a vCPU's
                continue;
            }
            ASSERT_NE(cause, causes.end()) << name;
            ASSERT_TRUE(cause->vmsa) << name;
            x86::Vmsa after = before;
            cause->vmsa(after);
            EXPECT_TRUE(page_of(after) == page) << name;
            EXPECT_EQ(cause->first_vcpu, choice.first) << name;
            EXPECT_EQ(cause->others, choice.others) << name;
            ++of_vmsa;
        }
    }
    EXPECT_GT(of_vmsa, 100u);
    // And each that lies in a VMSA says where, once.
    for (const Cause& cause : causes) {
        EXPECT_EQ(std::ranges::count(causes, cause.name, &Cause::name), 1) << cause.name;
        const auto says = std::ranges::count_if(choices, [&](const Choice& choice) {
            return cause.name.ends_with(choice.where) && cause.first_vcpu == choice.first
                   && cause.others == choice.others;
        });
        EXPECT_EQ(says, cause.is_of_vmsa() ? 1 : 0) << cause.name;
    }
}

/// What monitors are known to have done to VMSAs, each from the digest of a launch that has it.
TEST(IgvmExplain, WhatMonitorsDid) {
    struct Done {
        const char* who;
        Vmm vmm; // the base, a firmware volume of three vCPUs
        std::function<void(x86::Vmsa&, u32 vcpu)> edit;
        Names wanted;
    };

    const Done cases[] = {
        {.who    = "EC2 before its change",
         .vmm    = Vmm::ec2,
         .edit   = [](x86::Vmsa& vmsa, u32) { vmsa.rdx = 0; },
         .wanted = {"RDX 0 in every vCPU"}                                                                                                              },
        {.who    = "a monitor that sets VP 0's RDX alone",
         .vmm    = Vmm::qemu,
         .edit   = [](x86::Vmsa& vmsa, u32 vcpu) { vmsa.rdx = vcpu == 0 ? vmsa.rdx : 0; },
         .wanted = {"RDX 0 in APs"}                                                                                                                     },
        {.who = "QEMU 10.1's APs",
         .vmm = Vmm::qemu,
         .edit =
             [](x86::Vmsa& vmsa,       u32 vcpu) {
                 vmsa.mxcsr   = vcpu == 0 ? vmsa.mxcsr : 0;
                 vmsa.x87_fcw = vcpu == 0 ? vmsa.x87_fcw : u16{0};
             },                                            .wanted = {"no FPU state in APs"}                            },
        {.who    = "KVM_SEV_ES_INIT",
         .vmm    = Vmm::qemu,
         .edit   = [](x86::Vmsa& vmsa, u32) { vmsa.mxcsr = vmsa.x87_fcw = 0; },
         .wanted = {"no FPU state in every vCPU"}                                                                                                       },
        {.who    = "EC2's CS",
         .vmm    = Vmm::qemu,
         .edit   = [](x86::Vmsa& vmsa,
         u32 vcpu) { vmsa.cs.attributes = vcpu == 0 ? u16{0x9A} : vmsa.cs.attributes; },
         .wanted = {"CS accessed the other way in VP 0"}                                                                                                },
        {.who = "a launcher that clears PAT of the first vCPU, and CR4.MCE of the others",
         .vmm = Vmm::qemu,
         .edit =
             [](x86::Vmsa& vmsa,       u32 vcpu) {
                 vmsa.g_pat = vcpu == 0 ? 0 : vmsa.g_pat;
                 vmsa.cr4   = vcpu == 0 ? vmsa.cr4 : vmsa.cr4 & ~x86::cr4::mce;
             },                                            .wanted = {"G_PAT 0 in VP 0", "CR4.MCE the other way in APs"}},
    };
    for (const Done& done : cases) {
        const Base base = firmware_base(PlatformType::sev_snp, done.vmm, 3, "quiet");
        auto launch     = base.launch(base.plan);
        ASSERT_TRUE(launch);
        for (Step& step : launch->steps) {
            if (step.type == PageType::vmsa) {
                auto vmsa = load<x86::Vmsa>(step.data);
                done.edit(vmsa, step.vcpu);
                const auto bytes = bytes_of(vmsa);
                step.data        = launch->owned.emplace_back(bytes.begin(), bytes.end());
            }
        }
        const Answer answer = ask(base, measure(*launch, 1), 2);
        EXPECT_TRUE(names(answer, done.wanted)) << done.who << ":\n" << text(answer);
    }
}

/// What is known to make digests differ: that a table has lost a row must be noticed.
TEST(IgvmExplain, NoKnownCauseIsMissing) {
    const Base base = firmware_base(PlatformType::sev_snp, Vmm::qemu, 2, "quiet");
    Names all;
    for (const Cause& cause : causes_for(base.plan)) {
        all.insert(cause.name);
    }
    Names wanted = {"monitor igvm",
                    "monitor qemu-9.1",
                    "monitor qemu-10.1",
                    "monitor qemu-10.2",
                    "monitor qemu-11.1",
                    "monitor kvm-6.1",
                    "monitor kvm-6.8",
                    "monitor kvm-6.11",
                    "monitor kvm-6.12",
                    "monitor kvm-7.1",
                    "monitor ec2",
                    "monitor gce",
                    "monitor cloud-hypervisor",
                    "monitor openvmm",
                    "inserts before open page runs",
                    "directives in file order",
                    "pages sorted by address",
                    "VMSAs before the pages",
                    "VMSAs behind the pages",
                    "VMSAs at 0xfffffffff000",
                    "CPUID pages last",
                    "zero pages as ZERO",
                    "zero pages as NORMAL",
                    "zero pages as UNMEASURED",
                    "zero pages not measured",
                    "no secrets page",
                    "no CPUID page",
                    "unmeasured pages measured",
                    "unmeasured pages left out",
                    "parameter areas left out",
                    "parameter areas one page long",
                    "shared pages measured",
                    "shared pages not measured",
                    "no kernel hashes",
                    "empty command line",
                    "command line with a line feed",
                    "command line with a space",
                    "command line trimmed",
                    "command line without its zero",
                    "no initrd",
                    "no kernel",
                    "VMSA of the first vCPU alone",
                    "no VMSA",
                    "CPU signature of EPYC",
                    "CPU signature of EPYC-Rome",
                    "CPU signature of EPYC-Milan",
                    "CPU signature of EPYC-Genoa",
                    "CPU signature of EPYC-Turin",
                    "1 vCPU",
                    "2 vCPUs",
                    "3 vCPUs",
                    "4 vCPUs",
                    "8 vCPUs",
                    "16 vCPUs",
                    "32 vCPUs",
                    "64 vCPUs",
                    "128 vCPUs",
                    "255 vCPUs",
                    "256 vCPUs"};
    for (const char* host :
         {"Milan-X", "Genoa", "Genoa-X", "Bergamo, Siena", "Turin", "Turin Dense"}) {
        wanted.insert(std::string("CPU signature of the host, EPYC ") + host);
    }
    for (int pages = 1; pages <= 8; ++pages) {
        const std::string count = std::to_string(pages) + (pages == 1 ? " page" : " pages");
        wanted.insert("last " + count + " missing");
        wanted.insert(count + " of zeros more (NORMAL)");
        wanted.insert(count + " of zeros more (ZERO)");
    }
    for (const std::string& name : wanted) {
        EXPECT_TRUE(all.contains(name)) << name;
    }
}

TEST(IgvmExplain, OtherKernelsInitrdsAndLines) {
    const Base base = firmware_base(PlatformType::sev_snp, Vmm::qemu, 1, "quiet");
    const Alternatives others{
        .kernels       = {{.name = "vmlinuz-2", .hash = sha256(Bytes{9})},
                          {.name = "vmlinuz-3", .hash = sha256(Bytes{10})}},
        .initrds       = {{.name = "initrd-2", .hash = sha256(Bytes{11})}},
        .command_lines = {"loud", "quiet nosmt"}
    };
    const auto causes  = causes_for(base.plan, others);
    const auto explain = [&](const Names& wanted) {
        std::vector<const Cause*> chosen;
        for (const Cause& cause : causes) {
            if (wanted.contains(cause.name)) {
                chosen.push_back(&cause);
            }
        }
        EXPECT_EQ(chosen.size(), wanted.size());
        const auto digest = planted(base, chosen);
        EXPECT_TRUE(digest);
        const auto answer =
            igvm::explain({.plan         = base.plan,
                           .alternatives = others,
                           .launch       = base.launch,
                           .file         = *base.bytes,
                           .matches  = [&](const Chain& chain) { return chain.equals(*digest); },
                           .threads  = 2,
                           .progress = {}});
        EXPECT_TRUE(answer);
        EXPECT_TRUE(names(*answer, wanted)) << text(*answer);
        return text(*answer);
    };
    EXPECT_NE(explain({"kernel vmlinuz-3"})
                  .find("SHA-256 " + to_hex(sha256(Bytes{1, 2, 3})) + " here, SHA-256 "
                        + to_hex(sha256(Bytes{10})) + " there; another -kernel"),
              std::string::npos);
    EXPECT_NE(explain({"command line \"quiet nosmt\"", "initrd initrd-2"})
                  .find("\"quiet\" here, \"quiet nosmt\" there"),
              std::string::npos);
}

/// SNP's digest of nothing is zeros, SEV-ES's the SHA-256 of no bytes: no launch is that.
TEST(IgvmExplain, NothingAtAllIsNoExplanation) {
    for (const PlatformType platform : {PlatformType::sev_snp, PlatformType::sev_es}) {
        const bool snp = platform == PlatformType::sev_snp;
        Writer writer;
        const u32 mask = writer.add_platform(platform);
        writer.add_page(page_data(mask, 0x1000), hlt_page());
        add_vmsa(writer, mask, qemu_vmsa(snp ? 1 : 0));
        Base base{
            .bytes = std::make_shared<const Bytes>(must_finish(writer)), .plan = {}, .launch = {}};
        base.plan.options = options_for(platform, Vmm::igvm);
        base.launch       = [bytes = base.bytes, file = *parse(*base.bytes)](const Plan& plan) {
            return launch_of(file, plan.options);
        };
        const auto nothing = sha256({});
        const Answer answer =
            ask(base, snp ? Bytes(sizeof(Digest384)) : Bytes(nothing.begin(), nothing.end()), 3);
        EXPECT_TRUE(answer.explanations.empty()) << text(answer);
        EXPECT_GT(answer.tried, 100u);
    }
}

TEST(IgvmExplain, TheRightDigestNeedsNoCause) {
    const Base base     = bases()[0];
    const auto launch   = base.launch(base.plan);
    const Answer answer = ask(base, measure(*launch, 1), 3);
    ASSERT_EQ(answer.explanations.size(), 1u);
    EXPECT_TRUE(answer.explanations[0].causes.empty());
    EXPECT_EQ(answer.tried, 1u);
}

TEST(IgvmExplain, NothingFits) {
    const auto all = bases();
    for (const Base& base : {all[0], all[5]}) {
        const Answer answer = ask(base, Bytes(sizeof(Digest384)), 2);
        EXPECT_TRUE(answer.explanations.empty());
        EXPECT_GT(answer.tried, 1000u);
    }
}

} // namespace vestibule::igvm::test
