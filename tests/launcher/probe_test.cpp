// SPDX-License-Identifier: BSD-2-Clause-Patent
// sevlaunch probe on the model of KVM: the kernels there are, and kernels that do something else to
// one field or two, each of which has to come out by name.
#include "tests/json/expect_valid.h"
#include "tests/launcher/fixture.h"

#include "igvm/explain/vmsa_solver.h"
#include "igvm/format/context_fields.h"
#include "launcher/probe.h"

#include <algorithm>
#include <random>
#include <set>

namespace vestibule::launcher::test {

namespace {
constexpr std::array<u8, 16> tik = {9, 8, 7, 6, 5, 4, 3, 2, 1};

Session session() {
    Session own{.certificate = Bytes(0x824), .blob = Bytes(128), .tik = tik};
    constexpr u8 policy[] = {5, 0, 0, 0};
    std::ranges::copy(igvm::hmac_sha256(tik, policy), own.blob.begin() + 96);
    return own;
}

using Alters = std::function<void(x86::Vmsa&)>;

Probe probe_of(const std::string& release, Alters alters, const ProbeOptions& options) {
    ModelHost host;
    host.release = release;
    host.tik     = tik;
    host.alters  = std::move(alters);
    Model model(host);
    Calls calls(model);
    return probe(calls, kvm::open_host(calls), options);
}

Probe probe_of(const std::string& release, Alters alters = {}) {
    return probe_of(release, std::move(alters),
                    {.platform = PlatformType::sev_es, .session = session(), .fields = {}});
}

Probe probe_snp(const std::string& release, Alters alters = {},
                std::vector<std::string> fields = {}) {
    return probe_of(
        release, std::move(alters),
        {.platform = PlatformType::sev_snp, .session = std::nullopt, .fields = std::move(fields)});
}

using Names = std::set<std::string>;

/// What is not as the profile says, forced fields among it.
Names others(const Probe& probe) {
    Names names;
    for (const ProbedField& field : probe.forced) {
        names.insert(field.name);
    }
    for (const ProbedField& field : probe.fields) {
        if (!field.as_predicted) {
            names.insert(field.name);
        }
    }
    return names;
}

std::string joined(const Names& names) {
    std::string text;
    for (const std::string& name : names) {
        text += name + " ";
    }
    return text;
}

const ProbedField& field_of(const Probe& probe, const std::string& name) {
    return *std::ranges::find(probe.fields, name, &ProbedField::name);
}
} // namespace

/// The model is of Linux as the tables have it: nothing is found, field by field.
TEST(LauncherProbe, KnownKernelsAreAsTheirProfiles) {
    for (const char* release : {"6.12.38", "6.18.15", "7.1.0", "7.2.8"}) {
        const Probe found = probe_of(release);
        EXPECT_EQ(joined(others(found)), "") << release;
        EXPECT_GT(found.launches, 100u);
        EXPECT_EQ(field_of(found, "rax").fate, Fate::taken);
        EXPECT_EQ(field_of(found, "cr2").fate, Fate::dropped);
        EXPECT_EQ(field_of(found, "dr7").fate, Fate::refused);
        EXPECT_EQ(field_of(found, "efer").fate, Fate::altered);
        EXPECT_EQ(field_of(found, "sysenter_esp").fate, Fate::altered);
        EXPECT_EQ(rows_of(found).find("probed"), std::string::npos);
        EXPECT_NE(text_of(found).find("this kernel is as kvm-"), std::string::npos);
    }
}

/// A kernel that drops, cuts or forces one field, for every one that is taken.
TEST(LauncherProbe, EveryFieldThatAKernelChanges) {
    const Probe plain = probe_of("7.1.0");
    unsigned planted  = 0;
    for (const ProbedField& field : plain.fields) {
        if (field.fate != Fate::taken) {
            continue;
        }
        ++planted;
        const auto before = [&] {
            x86::Vmsa reset = igvm::reset_vmsa(
                igvm::kvm_reset,
                {.start_address = igvm::reset_vector, .cpu_signature = 0x600, .sev_features = 0});
            return igvm::word_of(reset, field.offset);
        }();
        const Probe dropped =
            probe_of("7.1.0", [&](x86::Vmsa& vmsa) { igvm::set_word(vmsa, field.offset, before); });
        EXPECT_EQ(joined(others(dropped)), field.name + " ");
        EXPECT_EQ(field_of(dropped, field.name).fate, Fate::dropped) << field.name;
        constexpr unsigned each = 4; // of the fields, once more
        if (planted % each != 0) {
            continue;
        }
        // A bit of what was given.
        const u64 low   = field.given & (~field.given + 1);
        const Probe cut = probe_of("7.1.0", [&](x86::Vmsa& vmsa) {
            const u64 own = igvm::word_of(vmsa, field.offset);
            if (own == field.given) {
                igvm::set_word(vmsa, field.offset, own & ~low);
            }
        });
        EXPECT_EQ(joined(others(cut)), field.name + " ");
        EXPECT_EQ(field_of(cut, field.name).measured, field.given & ~low) << field.name;
    }
    EXPECT_GT(planted, 60u);
}

/// Something that is forced into it though nobody touches it.
TEST(LauncherProbe, ForcedBits) {
    const Probe forced = probe_of("7.1.0", [](x86::Vmsa& vmsa) { vmsa.sev_features |= 0x20; });
    ASSERT_EQ(forced.forced.size(), 1u);
    EXPECT_EQ(forced.forced[0].name, "sev_features");
    EXPECT_EQ(forced.forced[0].measured, 0x20u);
    EXPECT_NE(rows_of(forced).find("Effect::set_bits, 0x20, FIELD(sev_features)"),
              std::string::npos)
        << rows_of(forced);
    const Probe two = probe_of("7.1.0", [](x86::Vmsa& vmsa) {
        vmsa.cr0 |= 0x20;
        vmsa.tr.attributes |= 8;
    });
    EXPECT_EQ(two.forced.size(), 2u);
    EXPECT_TRUE(others(two).contains("cr0"));
    EXPECT_TRUE(others(two).contains("tr.attributes"));
}

/// Two fields at a time, at random; and one field's value in another's place.
TEST(LauncherProbe, TwoFields) {
    const Probe plain = probe_of("7.1.0");
    std::vector<const ProbedField*> taken;
    for (const ProbedField& field : plain.fields) {
        if (field.fate == Fate::taken) {
            taken.push_back(&field);
        }
    }
    std::mt19937 random(1); // NOLINT(bugprone-random-generator-seed): the same every time
    for (unsigned round = 0; round < 10; ++round) {
        const ProbedField& one = *taken[random() % taken.size()];
        const ProbedField& two = *taken[random() % taken.size()];
        const Probe found      = probe_of("7.1.0", [&](x86::Vmsa& vmsa) {
            for (const ProbedField* field : {&one, &two}) {
                const u64 own = igvm::word_of(vmsa, field->offset);
                if (own == field->given) {
                    igvm::set_word(vmsa, field->offset, own & 0xFF);
                }
            }
        });
        Names expected;
        for (const ProbedField* field : {&one, &two}) {
            if ((field->given & 0xFF) != field->given) {
                expected.insert(field->name);
            }
        }
        EXPECT_EQ(joined(others(found)), joined(expected));
    }
    const Probe copied = probe_of("7.1.0", [](x86::Vmsa& vmsa) { vmsa.tr.base = vmsa.ldtr.base; });
    EXPECT_EQ(joined(others(copied)), "ldtr.base tr.base ");
    EXPECT_NE(field_of(copied, "ldtr.base").words.find("tr.base becomes 0x776655443000"),
              std::string::npos)
        << field_of(copied, "ldtr.base").words;
}

TEST(LauncherProbe, WordsAndRows) {
    const Probe found      = probe_of("8.0.0", [](x86::Vmsa& vmsa) { vmsa.r15 = 0; });
    const std::string text = text_of(found);
    EXPECT_NE(text.find("held against kvm-7.2, not verified"), std::string::npos);
    EXPECT_NE(text.find("r15                  dropped  0x8877665544332211 becomes 0x0   <- not as"),
              std::string::npos)
        << text;
    EXPECT_NE(rows_of(found).find("Effect::replace, 0x0, FIELD(r15)"), std::string::npos);
    const auto json = json_of(found);
    vestibule::json::expect_valid(json.dump());
    EXPECT_EQ(json.at("kernel_verified"), false);
    EXPECT_EQ(json.at("fields").size(), found.fields.size());
}

TEST(LauncherProbe, NeedsTheRightSession) {
    ModelHost host;
    host.tik = {1};
    Model model(host);
    Calls calls(model);
    EXPECT_THROW(probe(calls, kvm::open_host(calls),
                       {.platform = PlatformType::sev_es, .session = session(), .fields = {}}),
                 LaunchError);
}

/// The firmware compares, and so each field of SNP guests is found too.
TEST(LauncherProbe, KnownKernelsAreAsTheirProfilesOnSnp) {
    const Probe found = probe_snp("7.1.0");
    EXPECT_EQ(joined(others(found)), "");
    EXPECT_EQ(found.fields.size(), probe_of("7.1.0").fields.size());
    EXPECT_GT(found.launches, 2 * found.fields.size() - 10);
    EXPECT_EQ(field_of(found, "rax").fate, Fate::taken);
    EXPECT_EQ(field_of(found, "cr2").fate, Fate::dropped);
    EXPECT_EQ(field_of(found, "dr7").fate, Fate::refused);
    EXPECT_EQ(field_of(found, "efer").fate, Fate::altered);
    EXPECT_EQ(field_of(found, "sysenter_esp").fate, Fate::altered);
    EXPECT_EQ(field_of(found, "sev_features").given, 0x21u);
    EXPECT_NE(text_of(found).find("kernel 7.1.0, sev-snp, held against kvm-7.1"), std::string::npos)
        << text_of(found);
}

TEST(LauncherProbe, EveryFieldThatAKernelChangesOnSnp) {
    unsigned planted = 0;
    for (const ProbedField& field : probe_of("7.1.0").fields) {
        if (field.fate != Fate::taken) {
            continue;
        }
        ++planted;
        const x86::Vmsa reset = igvm::reset_vmsa(
            igvm::kvm_reset,
            {.start_address = igvm::reset_vector, .cpu_signature = 0x600, .sev_features = 1});
        const u64 before = igvm::word_of(reset, field.offset);
        const Probe dropped =
            probe_snp("7.1.0", [&](x86::Vmsa& vmsa) { igvm::set_word(vmsa, field.offset, before); },
                      {field.name});
        ASSERT_EQ(dropped.fields.size(), 1u);
        EXPECT_EQ(dropped.fields[0].fate, Fate::dropped) << field.name;
        EXPECT_FALSE(dropped.fields[0].as_predicted) << field.name;
        EXPECT_LT(dropped.launches, 10u) << field.name;
    }
    EXPECT_GT(planted, 60u);
    // A bit that is cleared takes more guesses, and one that nobody gave is found by them too.
    const Probe cut =
        probe_snp("7.1.0", [](x86::Vmsa& vmsa) { vmsa.r9 &= ~(u64{1} << 60); }, {"r9", "r10"});
    EXPECT_EQ(joined(others(cut)), "");
    const Probe low =
        probe_snp("7.1.0", [](x86::Vmsa& vmsa) { vmsa.r9 &= ~u64{0x10}; }, {"r9", "r10"});
    EXPECT_EQ(joined(others(low)), "r9 ");
    EXPECT_EQ(field_of(low, "r9").fate, Fate::altered);
    EXPECT_NE(rows_of(low).find("{probed, false, true, Effect::clear_bits, 0x10, FIELD(r9)"),
              std::string::npos)
        << rows_of(low);
    const Probe forced = probe_snp("7.1.0", [](x86::Vmsa& vmsa) { vmsa.efer |= 0x800; }, {"rax"});
    ASSERT_EQ(forced.forced.size(), 1u);
    EXPECT_EQ(forced.forced[0].name, "efer");
}

TEST(LauncherProbe, FieldsByName) {
    const Probe one = probe_of("7.1.0",
                               {
    },
                               {.platform = PlatformType::sev_es,
                                .session  = session(),
                                .fields   = {"rdx", "cs.attributes"}});
    ASSERT_EQ(one.fields.size(), 2u);
    EXPECT_EQ(one.fields[0].name, "cs.attributes");
    EXPECT_EQ(one.launches, 3u);
    try {
        probe_snp("7.1.0", {}, {"edx"});
        ADD_FAILURE();
    } catch (const LaunchError& error) {
        EXPECT_EQ(std::string(error.what()), "--field: found edx, expected a field of a VMSA such "
                                             "as rdx or cs.attributes");
    }
}

} // namespace vestibule::launcher::test
