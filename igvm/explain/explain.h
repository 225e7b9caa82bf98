// SPDX-License-Identifier: BSD-2-Clause-Patent
// Finding out why a launch digest is not the expected one: the causes of causes.h are tried
// alone, then in pairs and triples, until one explanation gives the digest that was found.
#pragma once

#include "igvm/explain/causes.h"
#include "igvm/measure/launch_digest.h"

namespace vestibule::igvm {

struct Question {
    Plan plan;
    Alternatives alternatives;
    std::function<std::expected<Launch, std::string>(const Plan&)> launch;
    std::span<const u8> file; // whose pages need to be hashed but once
    std::vector<std::span<const u8>>
        others{}; // NOLINT(readability-redundant-member-init): likewise
    std::function<bool(const Chain&)> matches; // whether this is the digest that was found
    unsigned most_causes = 3;
    unsigned threads     = 1;
    std::function<void(u64 tried)> progress; // called on one thread
};

/// What a cause makes of the launch: one field of it, as the file gives it and as it would have to
/// be for the digest that was found.
struct Change {
    std::string field;         // by its name, of a VMSA as context_fields.h has it
    std::optional<u64> offset; // in the VMSA
    std::string found;         // here
    std::string expected;      // there
};

struct Explanation {
    std::vector<const Cause*> causes;
    std::vector<std::vector<Change>> changes; // of each; none where it makes no difference here
    std::vector<std::string> words; // one line a cause: the field, both values, who does it
};

/// A line an explanation, the first as given, and below it one a cause.
std::vector<std::string> lines_of(std::span<const Explanation> explanations,
                                  std::string_view first);

struct Answer {
    std::vector<Cause> causes;             // all that were tried
    std::vector<Explanation> explanations; // the smallest there are; the same number of causes each
    u64 tried = 0;
};

/// Whether the digest is right as it stands is for the caller to ask first.
std::expected<Answer, std::string> explain(const Question& question);

} // namespace vestibule::igvm
