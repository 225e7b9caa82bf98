// SPDX-License-Identifier: BSD-2-Clause-Patent
// Judging SW_EXITINFO1 and SW_EXITINFO2 (GHCB specification, section 4.1.1): done, the two
// exceptions that a hypervisor may ask for, malformed input by its six reasons, and the end for all
// the rest.
#include "ghcb/answer.h"
#include "tests/ghcb/mock.h"

namespace vestibule::test {

using ghcb::judge;
using ghcb::Outcome;
namespace reason = ghcb::reason;

/// An event word: [7:0] vector, [10:8] type, [11] error code valid, [31] valid, [63:32] error code.
static constexpr u64 event(unsigned vector, unsigned type, bool has_error_code, bool valid,
                           u32 error_code = 0) {
    return u64{error_code} << 32 | u64{valid} << 31 | u64{has_error_code} << 11 | u64{type} << 8
           | vector;
}

TEST(Judge, Done) {
    EXPECT_TRUE(judge(0, 0).is_done());
    EXPECT_TRUE(judge(0xFFFF'FFFF'0000'0000, 0).is_done()); // bits 31:0 are the answer
    EXPECT_TRUE(raises(judge(0xFFFF'FFFF'0000'0001, 0x8000'030D), 13, 0));
    // SW_EXITINFO2 of a call that succeeded is the event's own.
    EXPECT_TRUE(judge(0, 0xFFFF'FFFF'FFFF'FFFF).is_done());
}

TEST(Judge, GeneralProtection) {
    EXPECT_TRUE(raises(judge(1, 0x8000'030D), 13, 0)); // as KVM asks: no error code marked
    EXPECT_TRUE(raises(judge(1, 0x0000'0000'8000'0B0D), 13, 0));
    EXPECT_TRUE(raises(judge(1, 0x1234'5678'8000'0B0D), 13, 0x1234'5678));
    // An error code that is not marked valid is none.
    EXPECT_TRUE(raises(judge(1, 0x1234'5678'8000'030D), 13, 0));
}

TEST(Judge, InvalidOpcode) { EXPECT_TRUE(raises(judge(1, 0x8000'0306), 6, 0)); }

TEST(Judge, EveryVectorTypeAndFlag) {
    for (unsigned vector = 0; vector < 256; ++vector) {
        for (unsigned type = 0; type < 8; ++type) {
            for (const bool has_error_code : {false, true}) {
                for (const bool valid : {false, true}) {
                    // #UD has no error code, so a request for one is refused.
                    const bool may =
                        valid && type == 3 && (vector == 13 || (vector == 6 && !has_error_code));
                    const Outcome outcome = judge(1, event(vector, type, has_error_code, valid));
                    EXPECT_TRUE(may ? raises(outcome, static_cast<u8>(vector), 0)
                                    : terminates(outcome, reason::ghcb_bad_exception))
                        << "vector " << vector << " type " << type << " error code "
                        << has_error_code << " valid " << valid;
                }
            }
        }
    }
}

TEST(Judge, EveryReservedBitOfTheEvent) {
    for (const unsigned vector : {6U, 13U}) {
        for (unsigned n = 12; n <= 30; ++n) {
            EXPECT_TRUE(terminates(judge(1, event(vector, 3, false, true) | u64{1} << n),
                                   reason::ghcb_bad_exception))
                << "vector " << vector << " bit " << n;
        }
    }
}

TEST(Judge, NoEventAtAll) {
    EXPECT_TRUE(terminates(judge(1, 0), reason::ghcb_bad_exception));
    EXPECT_TRUE(terminates(judge(1, 0xFFFF'FFFF'FFFF'FFFF), reason::ghcb_bad_exception));
}

TEST(Judge, MalformedInputByReason) {
    for (u8 n = 1; n <= 6; ++n) {
        EXPECT_TRUE(terminates(judge(2, n), {2, static_cast<u8>(0x20 + n)})) << unsigned{n};
    }
    EXPECT_TRUE(terminates(judge(2, 0), reason::ghcb_bad_response));
    EXPECT_TRUE(terminates(judge(2, 7), reason::ghcb_bad_response));
    EXPECT_TRUE(terminates(judge(2, 0xFFFF'FFFF), reason::ghcb_bad_response));
}

TEST(Judge, MalformedInputWithItsHighHalfSetStillEnds) {
    for (unsigned n = 32; n < 64; ++n) {
        EXPECT_EQ(judge(2, 4 | u64{1} << n).kind, Outcome::Kind::terminate) << "bit " << n;
    }
}

TEST(Judge, EveryOtherClassEnds) {
    for (u64 info1 = 3; info1 < 0x1000; ++info1) {
        EXPECT_TRUE(terminates(judge(info1, 0x8000'030D), reason::ghcb_bad_response)) << info1;
    }
    EXPECT_TRUE(terminates(judge(0xFFFF'FFFF, 0), reason::ghcb_bad_response));
    EXPECT_TRUE(terminates(judge(0xFFFF'FFFF'FFFF'FFFF, 0), reason::ghcb_bad_response));
}

// The specification gives [31:0] a meaning and [63:32] none: hosts leave there what the guest
// wrote.
TEST(Judge, TheHighHalfMeansNothing) {
    for (unsigned n = 32; n < 64; ++n) {
        EXPECT_TRUE(judge(u64{1} << n, 0).is_done()) << n;
        EXPECT_TRUE(raises(judge(1 | u64{1} << n, 0x8000'030D), 13, 0)) << n;
        EXPECT_TRUE(terminates(judge(2 | u64{1} << n, 4), {2, 0x24})) << n;
        EXPECT_TRUE(terminates(judge(3 | u64{1} << n, 0), reason::ghcb_bad_response)) << n;
    }
}

} // namespace vestibule::test
