// SPDX-License-Identifier: BSD-2-Clause-Patent
// SEV_STATUS against what the image was made for: every single bit, both platforms.
#include "ghcb/sev_status.h"
#include <gtest/gtest.h>

namespace vestibule::test {

static u8 code_of(u64 status, bool for_sev_es) {
    const ghcb::Outcome verdict = ghcb::judge_status({status}, for_sev_es);
    return verdict.is_done() ? u8{0} : verdict.reason.code;
}

TEST(SevStatus, NativeImage) {
    EXPECT_EQ(code_of(0, false), 0);
    for (u64 status = 1; status < 8; status += 2) {
        EXPECT_EQ(code_of(status, false), ghcb::reason::sev_unexpected.code);
    }
}

TEST(SevStatus, SevEsImage) {
    for (const u64 status : {u64{0}, u64{1}, u64{2}}) {
        EXPECT_EQ(code_of(status, true), ghcb::reason::sev_es_expected.code);
    }
    EXPECT_EQ(code_of(3, true), 0);
    // DebugSwap, PreventHostIBS, BTBIsolation, SmtProtection, IbpbOnEntry: APM volume 2, 15.34.10.
    constexpr u64 transparent = 1u << 7 | 1u << 8 | 1u << 9 | 1u << 17 | 1u << 23;
    for (unsigned n = 2; n < 64; ++n) {
        const u8 wanted =
            (transparent >> n & 1) != 0 ? u8{0} : ghcb::reason::feature_unsupported.code;
        EXPECT_EQ(code_of(3 | bit(n), true), wanted) << n;
    }
}

} // namespace vestibule::test
