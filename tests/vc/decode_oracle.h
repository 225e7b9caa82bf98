// SPDX-License-Identifier: BSD-2-Clause-Patent
// The decoder held against Zydis, one instruction at a time. What ought to be served is said in
// Zydis's terms (mnemonics and operands), so that a wrong row in the decoder's table cannot hide.
#pragma once

#include "vc/decode.h"
#include <Zydis/Zydis.h>
#include <span>
#include <string>
#include <vector>

namespace vestibule::test {

class DecodeOracle {
  public:
    explicit DecodeOracle(vc::CodeSize code_size);

    enum class Verdict : u8 { both_accept, both_refuse, listed_difference, disagree };

    /// Decodes what `bytes` begins with. `size` is at most 15 or more than any instruction needs.
    Verdict compare(const u8* bytes, size_t size);

    /// Of the last comparison that disagreed.
    [[nodiscard]] const std::string& what() const { return message; }

    /// How often the manual was followed and Zydis does not, by row of the table of these cases.
    struct Difference {
        const char* what; // and the manual's section that decides
        bool (*applies)(const ZydisDecodedInstruction& theirs, const vc::Decoded& ours);
        u64 count = 0;
    };

    [[nodiscard]] std::span<const Difference> listed_differences() const { return differences; }

  private:
    [[nodiscard]] std::string disagreement(const vc::Instruction& ours) const;

    vc::CodeSize code_size;
    ZydisDecoder decoder{};
    ZydisDecodedInstruction theirs{};
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT]{};
    std::string message;
    std::vector<Difference> differences;
};

} // namespace vestibule::test
