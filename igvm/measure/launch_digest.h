// SPDX-License-Identifier: BSD-2-Clause-Patent
// The launch digest: on SEV and SEV-ES a SHA-256 over all that is loaded, in order (SEV API
// specification, LAUNCH_MEASURE); on SNP a chain of SHA-384 over one PAGE_INFO a page (SEV-SNP
// firmware ABI, SNP_LAUNCH_UPDATE).
#pragma once

#include "igvm/measure/digest.h"
#include "igvm/measure/lanes.h"
#include "igvm/measure/launch.h"

#include <functional>

namespace vestibule::igvm {

/// One link of the SNP chain (firmware ABI, PAGE_INFO structure).
struct PageInfo {
    Digest384 digest_cur;
    Digest384 contents; // zeros for types that are not hashed
    u16 length;
    PageType page_type;
    u8 imi_page;
    u8 reserved;
    u8 vmpl1_perms;
    u8 vmpl2_perms;
    u8 vmpl3_perms;
    u64 gpa;
};

static_assert(sizeof(PageInfo) == 0x70);
static_assert(offsetof(PageInfo, page_type) == 0x62);
static_assert(offsetof(PageInfo, gpa) == 0x68);

/// SHA-384 of what a step's pages hold, as SNP wants it in CONTENTS.
Digest384 contents_of(const Step& step);

/// The digest on its way through a launch. A copy goes on from where the original stands.
class Chain {
  public:
    /// On SNP from a digest of what was measured before, as verifiers publish it of a firmware.
    explicit Chain(PlatformType platform, const Digest384& start = {});

    /// `contents` counts on SNP only.
    void add(const Step& step, const Digest384& contents);

    void add(const Step& step) { add(step, all_ ? Digest384{} : contents_of(step)); }

    /// On SNP what is hashed for a page, and what comes of it: who draws many chains side by side
    /// hashes by lanes. `page` counts within the step.
    using Link = std::array<u8, sizeof(PageInfo)>;
    [[nodiscard]] Link link(const Step& step, u64 page, const Digest384& contents) const;

    void take(const Digest384& hashed_link) { ld_ = hashed_link; }

    /// 48 bytes on SNP, 32 elsewhere.
    [[nodiscard]] std::vector<u8> digest() const;

    [[nodiscard]] bool equals(std::span<const u8> digest) const;

  private:
    Digest384 ld_;              // SNP
    std::optional<Hasher> all_; // SEV and SEV-ES
};

/// Called in order behind each step.
using StepWatcher = std::function<void(const Step&, const Digest384& contents, const Chain&)>;

/// As many as this machine runs at a time.
unsigned all_threads();

/// Hashes pages on up to `threads` threads, in no wider lanes than these. `start` is, on SNP, the
/// digest of what was measured before.
std::vector<u8> measure(const Launch& launch, unsigned threads, const StepWatcher& watcher = {},
                        const Digest384& start = {}, LaneWidth width = lane_width());

/// What the secure processor signs for LAUNCH_MEASURE (SEV API specification, section 6.5).
struct MeasureContext {
    std::array<u8, 16> tik;
    std::array<u8, 16> mnonce;
    u8 api_major;
    u8 api_minor;
    u8 build;
    u32 policy;
};

Digest256 launch_measure(const MeasureContext& context, std::span<const u8> digest);

} // namespace vestibule::igvm
