// SPDX-License-Identifier: BSD-2-Clause-Patent
// See chain.h.
#include "igvm/report/chain.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>

namespace vestibule::igvm {

namespace {
/// SHA-256 of ARK's certificates in DER, as
/// https://kdsintf.amd.com/vcek/v1/{Milan,Genoa,Turin}/cert_chain has them. The server was not
/// reached from here: each value was found alike in several public verifiers, written in Rust, Go,
/// Python and TypeScript, that pin it.
struct Root {
    CpuGeneration generation;
    std::string_view fingerprint;
};

constexpr Root amd_roots[] = {
    {.generation  = CpuGeneration::milan,
     .fingerprint = "69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd"},
    {.generation  = CpuGeneration::genoa,
     .fingerprint = "4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1"},
    {.generation  = CpuGeneration::turin,
     .fingerprint = "1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a"},
};

constexpr int rsa_bits = 4096;

std::string time_in_words(const ASN1_TIME* time) {
    std::tm parts{};
    if (ASN1_TIME_to_tm(time, &parts) != 1) {
        return "no time";
    }
    return fmt::format("{:04}-{:02}-{:02}", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday);
}

class Checker {
  public:
    Checker(const AttestationReport& report, std::span<const u8> signed_part,
            std::span<const Certificate> certificates, const ChainOptions& options)
        : report_(report), signed_(signed_part), certificates_(certificates), options_(options) {}

    std::vector<ReportCheck> run() {
        const Certificate* const leaf = signature();
        if (leaf == nullptr) {
            return std::move(checks_);
        }
        extensions(*leaf);
        const Certificate* const middle = issuer_of(*leaf, "intermediate key");
        if (middle == nullptr) {
            return std::move(checks_);
        }
        const Certificate* const root = issuer_of(*middle, "root key");
        if (root != nullptr) {
            root_is_pinned(*root);
        }
        return std::move(checks_);
    }

  private:
    bool add(std::string name, bool passed, std::string words) {
        checks_.push_back({.name = std::move(name), .passed = passed, .words = std::move(words)});
        return passed;
    }

    /// Below a root that was named, "TEST SEV-VCEK" is a VCEK as well.
    [[nodiscard]] bool is_called(const Certificate& certificate, std::string_view name) const {
        const std::string subject = certificate.subject();
        return subject == name || (!options_.roots.empty() && subject.ends_with(name));
    }

    const Certificate* signature() {
        const unsigned key = report_.signing_key();
        if (key == signing_key::none) {
            add("signing key", false, "found none: the report is not signed");
            return nullptr;
        }
        if (key != signing_key::vcek && key != signing_key::vlek) {
            add("signing key", false, fmt::format("found {}, expected 0 (VCEK) or 1 (VLEK)", key));
            return nullptr;
        }
        const std::string_view name = key == signing_key::vcek ? "SEV-VCEK" : "SEV-VLEK";
        const auto leaf             = std::ranges::find_if(
            certificates_, [&](const Certificate& each) { return is_called(each, name); });
        if (leaf == certificates_.end()) {
            add("signing key", false,
                fmt::format("found no certificate of {} among {}, expected one", name,
                            certificates_.size()));
            return nullptr;
        }
        if (!leaf->has_ec_key()) {
            add("signing key", false,
                fmt::format("found {}, expected a key of the curve P-384 in {}'s certificate",
                            leaf->is_rsa() ? "an RSA key" : "no point of the curve", name));
            return nullptr;
        }
        add("signing key", true, std::string(name));
        if (report_.signature_algorithm != 1) {
            add("signature", false,
                fmt::format("found algorithm {}, expected 1, ECDSA on P-384 with SHA-384",
                            report_.signature_algorithm));
            return nullptr;
        }
        const bool good = leaf->has_signed(signed_, report_.signature);
        add("signature", good,
            good ? fmt::format("by {}", name)
                 : fmt::format("found one that {} has not made over this report", name));
        validity(*leaf);
        return good ? &*leaf : nullptr;
    }

    void validity(const Certificate& certificate) {
        const ASN1_TIME* const from  = X509_get0_notBefore(certificate.get());
        const ASN1_TIME* const until = X509_get0_notAfter(certificate.get());
        const bool good              = ASN1_TIME_cmp_time_t(from, options_.at) <= 0
                          && ASN1_TIME_cmp_time_t(until, options_.at) >= 0;
        add(fmt::format("validity of {}", certificate.subject()), good,
            fmt::format("{}from {} to {}", good ? "" : "expected now to be ", time_in_words(from),
                        time_in_words(until)));
    }

    /// What AMD certifies of the chip, held against what the report says of itself.
    void extensions(const Certificate& leaf) {
        const ChipExtensions chip = leaf.extensions();
        if (!chip.is_there()) {
            add("certified TCB", false, "found none of AMD's extensions in the certificate");
            return;
        }
        std::string wrong;
        for (const TcbPart& part : tcb_parts(options_.generation)) {
            const auto own =
                std::ranges::find(chip.tcb, part.name, &std::pair<std::string, unsigned>::first);
            const unsigned has = tcb_value(report_.reported_tcb, part);
            if (own == chip.tcb.end() || own->second != has) {
                wrong += fmt::format(
                    "{}{} {}, certified {}", wrong.empty() ? "found " : "; ", part.words, has,
                    own == chip.tcb.end() ? "none" : fmt::format("{}", own->second));
            }
        }
        add("certified TCB", wrong.empty(),
            wrong.empty() ? tcb_in_words(report_.reported_tcb, options_.generation) : wrong);

        const auto above =
            tcb_below(report_.current_tcb, report_.reported_tcb, options_.generation);
        add("TCB in order", above.empty(),
            above.empty()
                ? "what is reported runs"
                : fmt::format("found a current {}: what is reported does not run", above.front()));

        // A root that was named may be of products that AMD does not make.
        const auto generation = generation_named(chip.product);
        const bool right =
            generation == options_.generation || (!generation && !options_.roots.empty());
        add("product", right,
            right ? chip.product
                  : fmt::format("found a certificate of {}, expected one of {}", chip.product,
                                name_of(options_.generation)));
        if (report_.signing_key() == signing_key::vlek) {
            add("provider", !chip.provider.empty(),
                chip.provider.empty() ? "found no csp_id, expected one in a VLEK's certificate"
                                      : chip.provider);
            return;
        }
        const auto own = std::span(report_.chip_id);
        if (std::ranges::all_of(own, [](u8 byte) { return byte == 0; })) {
            add("chip ID", (report_.flags & AttestationReport::chip_id_masked) != 0,
                "the host masks it: the report may be of any chip that this key is of");
            return;
        }
        const bool same = !chip.chip_id.empty() && chip.chip_id.size() <= own.size()
                          && std::ranges::equal(chip.chip_id, own.first(chip.chip_id.size()))
                          && std::ranges::all_of(own.subspan(chip.chip_id.size()),
                                                 [](u8 byte) { return byte == 0; });
        add("chip ID", same,
            same ? to_hex(chip.chip_id)
                 : fmt::format("found {}, certified {}", to_hex(own), to_hex(chip.chip_id)));
    }

    /// Where its signature is that of another certificate, that one.
    const Certificate* issuer_of(const Certificate& certificate, std::string_view what) {
        const std::string name  = certificate.subject();
        bool found              = false;
        const Certificate* good = nullptr;
        for (const Certificate& candidate : certificates_) {
            const bool named = X509_NAME_cmp(X509_get_subject_name(candidate.get()),
                                             X509_get_issuer_name(certificate.get()))
                               == 0;
            found = found || named;
            if (named && candidate.is_rsa()
                && X509_verify(certificate.get(), X509_get0_pubkey(candidate.get())) == 1) {
                good = &candidate;
                break;
            }
        }
        const std::string check = fmt::format("certificate of {}", name);
        if (good == nullptr) {
            add(check, false,
                found ? fmt::format("found a signature that {} has not made", certificate.issuer())
                      : fmt::format("found no certificate of its {}, {}, expected one", what,
                                    certificate.issuer()));
            return nullptr;
        }
        int digest    = 0;
        int algorithm = 0;
        const bool known =
            X509_get_signature_info(certificate.get(), &digest, &algorithm, nullptr, nullptr) == 1;
        if (!known || digest != NID_sha384 || algorithm != EVP_PKEY_RSA_PSS
            || EVP_PKEY_get_bits(X509_get0_pubkey(good->get())) != rsa_bits) {
            add(check, false,
                "found another kind of signature, expected RSASSA-PSS of 4096 bits with SHA-384");
            return nullptr;
        }
        if (X509_check_ca(good->get()) == 0) {
            add(check, false,
                fmt::format("found one by {}, which may sign no certificates", good->subject()));
            return nullptr;
        }
        add(check, true, fmt::format("by {}", good->subject()));
        validity(*good);
        return good;
    }

    void root_is_pinned(const Certificate& root) {
        if (!root.is_self_issued() || X509_verify(root.get(), X509_get0_pubkey(root.get())) != 1) {
            add("root", false,
                fmt::format("found {}, which has not signed itself, expected an ARK",
                            root.subject()));
            return;
        }
        const Digest256 fingerprint = root.fingerprint();
        bool pinned                 = std::ranges::count(options_.roots, fingerprint) != 0;
        for (const Root& own : amd_roots) {
            pinned = pinned
                     || (options_.roots.empty() && own.generation == options_.generation
                         && to_hex(fingerprint) == own.fingerprint);
        }
        add("root", pinned,
            pinned ? fmt::format("{}, {}", root.subject(), to_hex(fingerprint))
                   : fmt::format("found {} with fingerprint {}, expected {}", root.subject(),
                                 to_hex(fingerprint),
                                 options_.roots.empty()
                                     ? fmt::format("AMD's ARK of {}", name_of(options_.generation))
                                     : "the root that was named"));
    }

    const AttestationReport& report_;
    std::span<const u8> signed_;
    std::span<const Certificate> certificates_;
    const ChainOptions& options_;
    std::vector<ReportCheck> checks_;
};
} // namespace

std::vector<ReportCheck> check_chain(const AttestationReport& report,
                                     std::span<const u8> signed_part,
                                     std::span<const Certificate> certificates,
                                     const ChainOptions& options) {
    return Checker(report, signed_part, certificates, options).run();
}

std::optional<CpuGeneration> generation_of(std::span<const Certificate> certificates) {
    for (const Certificate& certificate : certificates) {
        if (const auto generation = generation_named(certificate.extensions().product)) {
            return generation;
        }
    }
    return std::nullopt;
}

} // namespace vestibule::igvm
