// SPDX-License-Identifier: BSD-2-Clause-Patent
// The chain from a report to the root: a good one, every byte of it changed, and each attack
// refused with the sentence that says what is wrong.
#include "tests/igvm/report/test_root.h"

#include "igvm/report/chain.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace vestibule::igvm::test {

namespace {
std::vector<Certificate> parsed(const std::vector<Bytes>& ders) {
    std::vector<Certificate> all;
    for (const Bytes& der : ders) {
        auto found = read_certificates(der);
        EXPECT_TRUE(found) << found.error();
        std::ranges::move(*found, std::back_inserter(all));
    }
    return all;
}

struct Attempt {
    AttestationReport report        = TestRoot::get().report();
    std::vector<Bytes> certificates = {TestRoot::get().vcek, TestRoot::get().ask,
                                       TestRoot::get().ark};
    Bytes root                      = TestRoot::get().ark;
    std::time_t at                  = std::time(nullptr);
    CpuGeneration generation        = CpuGeneration::milan;

    [[nodiscard]] std::vector<ReportCheck> checks() const {
        const Bytes bytes = bytes_of(report);
        return check_chain(
            report, std::span(bytes).first(signed_report_size), parsed(certificates),
            {.roots      = root.empty() ? std::vector<Digest256>{} : std::vector{sha256(root)},
             .at         = at,
             .generation = generation});
    }

    /// Those that failed: "signature: found …".
    [[nodiscard]] std::string failures() const {
        std::string text;
        for (const ReportCheck& check : checks()) {
            text += check.passed ? "" : check.name + ": " + check.words + "\n";
        }
        return text;
    }
};

bool contains(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

/// A chip's certificate by the tests' ASK.
Bytes leaf(const Chip& chip, const std::string& subject = "SEV-VCEK") {
    const TestRoot& root = TestRoot::get();
    return make_certificate(root.chip_key, root.ask_key,
                            {.subject = subject, .issuer = "SEV-Test", .chip = &chip});
}
} // namespace

/// Names and products that AMD has not: below a root that was named they are that root's matter,
/// and below AMD's they are wrong.
TEST(ReportChain, NamesOfOtherRoots) {
    Chip chip    = TestRoot::get().chip;
    chip.product = "TEST-machine";
    Attempt own;
    own.certificates[0] = leaf(chip, "TEST SEV-VCEK");
    EXPECT_EQ(own.failures(), "");
    own.root.clear();
    EXPECT_TRUE(contains(own.failures(), "signing key: found no certificate of SEV-VCEK"));
    own.certificates[0] = leaf(chip);
    EXPECT_TRUE(contains(own.failures(),
                         "product: found a certificate of TEST-machine, expected one of Milan"));
    // But a product of AMD's that is another one is wrong below each.
    chip.product = "Turin-B0";
    Attempt other;
    other.certificates[0] = leaf(chip);
    EXPECT_TRUE(contains(other.failures(), "product: found a certificate of Turin-B0"));
    other.certificates[0] = leaf(TestRoot::get().chip, "SEV-VCEK-TEST");
    EXPECT_TRUE(contains(other.failures(), "signing key: found no certificate of SEV-VCEK"));
}

TEST(ReportChain, GoodOnesPass) {
    const Attempt good;
    EXPECT_EQ(good.failures(), "");
    EXPECT_EQ(good.checks().size(), 12u);
    EXPECT_EQ(generation_of(parsed(good.certificates)), CpuGeneration::milan);
    // Another order, PEM, one file, a table.
    Attempt other = good;
    std::ranges::reverse(other.certificates);
    EXPECT_EQ(other.failures(), "");
    Bytes pem;
    for (const Bytes& der : good.certificates) {
        const Bytes text = to_pem(der);
        pem.insert(pem.end(), text.begin(), text.end());
    }
    other.certificates = {pem};
    EXPECT_EQ(other.failures(), "");
    other.certificates = {to_table(good.certificates)};
    EXPECT_EQ(other.failures(), "");
}

TEST(ReportChain, AVlekPasses) {
    Attempt vlek;
    Chip chip         = TestRoot::get().chip;
    chip.id           = {};
    chip.provider     = "Cloud";
    vlek.report.flags = 1u << 2;
    sign(vlek.report, TestRoot::get().chip_key);
    vlek.certificates[0] = leaf(chip, "SEV-VLEK");
    EXPECT_EQ(vlek.failures(), "");
    vlek.certificates[0] = TestRoot::get().vcek;
    EXPECT_TRUE(contains(vlek.failures(), "no certificate of SEV-VLEK among 3")) << vlek.failures();
}

TEST(ReportChain, TurinHasItsOwnLayout) {
    Attempt turin;
    Chip chip                 = TestRoot::get().chip;
    chip.product              = "Turin-B0";
    chip.fmc                  = 1;
    chip.id                   = Bytes(8, 7);
    turin.generation          = CpuGeneration::turin;
    turin.report.cpu_family   = 0x1A;
    turin.report.cpu_model    = 2;
    turin.report.reported_tcb = u64{1} | u64{chip.bl} << 8 | u64{chip.tee} << 16
                                | u64{chip.snp} << 24 | u64{chip.ucode} << 56;
    turin.report.current_tcb = turin.report.reported_tcb;
    std::ranges::fill(turin.report.chip_id, u8{0});
    std::ranges::copy(chip.id, turin.report.chip_id);
    sign(turin.report, TestRoot::get().chip_key);
    turin.certificates[0] = leaf(chip);
    EXPECT_EQ(turin.failures(), "");
    EXPECT_EQ(generation_of(turin.report), CpuGeneration::turin);
    turin.generation = CpuGeneration::milan;
    EXPECT_NE(turin.failures(), "");
}

/// Whatever of the report is changed, its signature says so; and every bit of R and S counts.
TEST(ReportChain, EveryByteOfTheReportCounts) {
    const Attempt good;
    const Bytes bytes       = bytes_of(good.report);
    const auto certificates = parsed({TestRoot::get().vcek});
    for (u64 at = 0; at < signed_report_size; ++at) {
        Bytes changed = bytes;
        changed[at] ^= 0x10;
        EXPECT_FALSE(certificates[0].has_signed(std::span(changed).first(signed_report_size),
                                                good.report.signature))
            << at;
    }
    for (u64 at = 0; at < 2 * 72; ++at) {
        SnpSignature changed = good.report.signature;
        (at < 72 ? changed.r[at] : changed.s[at - 72]) ^= 1;
        EXPECT_FALSE(
            certificates[0].has_signed(std::span(bytes).first(signed_report_size), changed))
            << at;
    }
    Attempt other = good;
    other.report.measurement[3] ^= 1;
    EXPECT_TRUE(contains(other.failures(), "signature: found one that SEV-VCEK has not made"));
}

/// No certificate survives a change either: it is no certificate any more, or fails.
TEST(ReportChain, EveryByteOfACertificateCounts) {
    const Attempt good;
    for (u64 which = 0; which < good.certificates.size(); ++which) {
        const u64 size = good.certificates[which].size();
        for (u64 at = 0; at < size; at += 7) {
            Attempt changed = good;
            changed.certificates[which][at] ^= 4;
            bool is_refused = false;
            std::vector<Certificate> all;
            for (const Bytes& der : changed.certificates) {
                auto found = read_certificates(der);
                is_refused = is_refused || !found;
                if (found) {
                    std::ranges::move(*found, std::back_inserter(all));
                }
            }
            if (!is_refused) {
                const Bytes report = bytes_of(changed.report);
                const auto checks =
                    check_chain(changed.report, std::span(report).first(signed_report_size), all,
                                {.roots      = {sha256(changed.root)},
                                 .at         = changed.at,
                                 .generation = CpuGeneration::milan});
                is_refused = !std::ranges::all_of(checks, &ReportCheck::passed);
            }
            EXPECT_TRUE(is_refused) << which << " " << at;
        }
    }
}

TEST(ReportChain, AttacksAreNamed) {
    const TestRoot& root = TestRoot::get();

    struct Case {
        const char* what;
        std::function<void(Attempt&)> change;
        const char* sentence;
    };

    const Key other_rsa  = new_rsa_key();
    const Key small_rsa  = new_rsa_key(2048);
    const Key other_ec   = new_ec_key();
    const auto chip_with = [&](auto change) {
        Chip chip = root.chip;
        change(chip);
        return leaf(chip);
    };
    const Case cases[] = {
        {"no certificates",                                           [](Attempt& a) { a.certificates.clear(); },
         "signing key: found no certificate of SEV-VCEK among 0"                                                                                                                                                                   },
        {"not signed",                                                [](Attempt& a) { a.report.flags = 7u << 2; },
         "signing key: found none: the report is not signed"                                                                                                                                                                       },
        {"a key that nobody knows",                                   [](Attempt& a) { a.report.flags = 3u << 2; },
         "signing key: found 3, expected 0 (VCEK) or 1 (VLEK)"                                                                                                                                                                     },
        {"another algorithm",
         [&](Attempt& a) {
             a.report.signature_algorithm = 2;
             sign(a.report, root.chip_key);
         },                                                                                                                                 "signature: found algorithm 2, expected 1"                                             },
        {"another chip's key",                                        [&](Attempt& a) { sign(a.report, other_ec); },
         "signature: found one that SEV-VCEK has not made"                                                                                                                                                                         },
        {"RSA instead of ECDSA",
         [&](Attempt& a) {
             a.certificates[0] = make_certificate(
                 other_rsa, root.ask_key,
                 {.subject = "SEV-VCEK", .issuer = "SEV-Test", .chip = &root.chip});
         },                                                                                                                                 "signing key: found an RSA key, expected a key of the curve P-384"                     },
        {"another curve",
         [&](Attempt& a) {
             a.certificates[0] = make_certificate(
                 new_ec_key("P-256"), root.ask_key,
                 {.subject = "SEV-VCEK", .issuer = "SEV-Test", .chip = &root.chip});
         },                                                                                                                                 "signing key: found no point of the curve"                                             },
        {"a chip's key that ASK has not signed",
         [&](Attempt& a) {
             a.certificates[0] = make_certificate(
                 root.chip_key, other_rsa,
                 {.subject = "SEV-VCEK", .issuer = "SEV-Test", .chip = &root.chip});
         },                                                                                                                                 "certificate of SEV-VCEK: found a signature that SEV-Test has not made"                },
        {"no ASK",                                                    [](Attempt& a) { a.certificates.erase(a.certificates.begin() + 1); },
         "certificate of SEV-VCEK: found no certificate of its intermediate key, SEV-Test"                                                                                                                                         },
        {"no ARK",                                                    [](Attempt& a) { a.certificates.pop_back(); },
         "certificate of SEV-Test: found no certificate of its root key, ARK-Test"                                                                                                                                                 },
        {"an ASK that is no authority",
         [&](Attempt& a) {
             a.certificates[1] = make_certificate(root.ask_key, root.ark_key,
                                                  {.subject = "SEV-Test", .issuer = "ARK-Test"});
         },                                                                                                                                 "found one by SEV-Test, which may sign no certificates"                                },
        {"PKCS #1 instead of PSS",
         [&](Attempt& a) {
             a.certificates[1] = make_certificate(
                 root.ask_key, root.ark_key,
                 {.subject = "SEV-Test", .issuer = "ARK-Test", .is_ca = true, .pss = false});
         },                                                                                                                                 "certificate of SEV-Test: found another kind of signature, expected RSASSA-PSS"        },
        {"a small root",
         [&](Attempt& a) {
             a.certificates[1] =
                 make_certificate(root.ask_key, small_rsa,
                                  {.subject = "SEV-Test", .issuer = "ARK-Test", .is_ca = true});
             a.certificates[2] =
                 make_certificate(small_rsa, small_rsa,
                                  {.subject = "ARK-Test", .issuer = "ARK-Test", .is_ca = true});
             a.root = a.certificates[2];
         },                                                                                                                                 "certificate of SEV-Test: found another kind of signature, expected RSASSA-PSS of 4096"},
        {"another root of the same name",
         [&](Attempt& a) {
             a.certificates[1] =
                 make_certificate(root.ask_key, other_rsa,
                                  {.subject = "SEV-Test", .issuer = "ARK-Test", .is_ca = true});
             a.certificates[2] =
                 make_certificate(other_rsa, other_rsa,
                                  {.subject = "ARK-Test", .issuer = "ARK-Test", .is_ca = true});
         },                                                                                                                                 "root: found ARK-Test with fingerprint"                                                },
        {"the tests' root where AMD's is wanted",                     [](Attempt& a) { a.root.clear(); },
         "expected AMD's ARK of Milan"                                                                                                                                                                                             },
        {"expired",
         [&](Attempt& a) {
             a.certificates[1] = make_certificate(
                 root.ask_key, root.ark_key,
                 {.subject = "SEV-Test", .issuer = "ARK-Test", .is_ca = true, .until = -10});
         },                                                                                                                                 "validity of SEV-Test: expected now to be from"                                        },
        {"not valid yet",                                             [](Attempt& a) { a.at -= 86'400; },
         "validity of SEV-VCEK: expected now to be from"                                                                                                                                                                           },
        {"a TCB that was rolled back",
         [&](Attempt& a) {
             a.report.reported_tcb -= u64{1} << 48;
             sign(a.report, root.chip_key);
         },                                                                                                                                 "certified TCB: found SNP 21, certified 22"                                            },
        {"a TCB that does not run",
         [&](Attempt& a) {
             a.report.current_tcb -= u64{1} << 56;
             sign(a.report, root.chip_key);
         },                                                                                                                                 "TCB in order: found a current microcode 212, expected 213 or more"                    },
        {"a certificate of another TCB",
         [&](Attempt& a) { a.certificates[0] = chip_with([](Chip& chip) { chip.ucode = 214; }); },
         "certified TCB: found microcode 213, certified 214"                                                                                                                                                                       },
        {"a certificate of another chip",
         [&](Attempt& a) { a.certificates[0] = chip_with([](Chip& chip) { chip.id[0] ^= 1; }); },
         "chip ID: found 0102"                                                                                                                                                                                                     },
        {"a certificate without the chip",
         [&](Attempt& a) { a.certificates[0] = chip_with([](Chip& chip) { chip.id.clear(); }); },
         "chip ID: found 0102"                                                                                                                                                                                                     },
        {"a certificate without AMD's extensions",
         [&](Attempt& a) {
             a.certificates[0] = chip_with([](Chip& chip) { chip.has_extensions = false; });
         },                                                                                                                                 "certified TCB: found none of AMD's extensions"                                        },
        {"a certificate of another family",
         [&](Attempt& a) {
             a.certificates[0] = chip_with([](Chip& chip) { chip.product = "Genoa-A0"; });
         },                                                                                                                                 "product: found a certificate of Genoa-A0, expected one of Milan"                      },
        {"no chip ID, and the report does not say that it is masked",
         [&](Attempt& a) {
             std::ranges::fill(a.report.chip_id, u8{0});
             sign(a.report, root.chip_key);
         },                                                                                                                                 "chip ID: the host masks it"                                                           },
        {"certificates swapped",
         [](Attempt& a) {
             std::swap(a.certificates[1], a.certificates[2]);
             a.certificates[2] = a.certificates[1];
         },                                                                                                                                 "found no certificate of its intermediate key"                                         },
    };
    for (const Case& test : cases) {
        Attempt attempt;
        test.change(attempt);
        EXPECT_TRUE(contains(attempt.failures(), test.sentence)) << test.what << ":\n"
                                                                 << attempt.failures();
    }
}

TEST(ReportChain, RefusesWhatIsNoCertificate) {
    const TestRoot& root = TestRoot::get();
    Bytes cut            = root.ask;
    cut.pop_back();
    Bytes table = to_table({root.ask});
    table[20]   = 0xFF; // its length
    table[22]   = 0xFF;
    Bytes endless(48, 1);
    const std::string armour = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (const Bytes& bytes : {
             Bytes{},
             Bytes{1, 2, 3},
             cut, table, endless, Bytes(24),
             Bytes(armour.begin(), armour.end())
    }) {
        const auto found = read_certificates(bytes);
        ASSERT_FALSE(found);
        EXPECT_TRUE(contains(found.error(), "found")) << found.error();
    }
}

} // namespace vestibule::igvm::test
