// SPDX-License-Identifier: BSD-2-Clause-Patent
// See lanes.h. Jobs are handed in until all lanes are full, and come back in any order.
#include "igvm/measure/lanes.h"

#include <algorithm>

#ifdef VESTIBULE_LANES
#include <intel-ipsec-mb.h>
#include <new>
#endif

namespace vestibule::igvm {

std::string_view name_of(LaneWidth width) {
    constexpr std::string_view names[] = {"OpenSSL, no lanes", "AVX2, 4 lanes", "AVX-512, 8 lanes"};
    return names[static_cast<unsigned>(width)];
}

#ifdef VESTIBULE_LANES
struct Lanes::Manager {
    explicit Manager(LaneWidth width) : state(alloc_mb_mgr(0)) {
        if (state == nullptr) {
            throw std::bad_alloc();
        }
        width == LaneWidth::avx512 ? init_mb_mgr_avx512(state) : init_mb_mgr_avx2(state);
    }

    Manager(const Manager&)            = delete;
    Manager& operator=(const Manager&) = delete;

    ~Manager() { free_mb_mgr(state); }

    IMB_MGR* state;
};

LaneWidth lane_width() {
    static const LaneWidth width = [] {
        // Its own words on what the processor has, the operating system's part included.
        IMB_MGR* const state = alloc_mb_mgr(0);
        if (state == nullptr) {
            return LaneWidth::none;
        }
        IMB_ARCH found = IMB_ARCH_NONE;
        init_mb_mgr_auto(state, &found);
        free_mb_mgr(state);
        return found == IMB_ARCH_AVX512 ? LaneWidth::avx512
               : found == IMB_ARCH_AVX2 ? LaneWidth::avx2
                                        : LaneWidth::none;
    }();
    return width;
}

Lanes::Lanes(LaneWidth width) {
    width = std::min(width, lane_width());
    if (width != LaneWidth::none) {
        manager_ = std::make_unique<Manager>(width);
    }
}

void Lanes::add(std::span<const u8> message, Digest384& digest) {
    if (manager_ == nullptr || message.empty()) {
        digest = sha384(message);
        return;
    }
    IMB_JOB* const job                  = IMB_GET_NEXT_JOB(manager_->state);
    *job                                = {};
    job->cipher_mode                    = IMB_CIPHER_NULL;
    job->cipher_direction               = IMB_DIR_ENCRYPT;
    job->chain_order                    = IMB_ORDER_HASH_CIPHER;
    job->hash_alg                       = IMB_AUTH_SHA_384;
    job->src                            = message.data();
    job->msg_len_to_hash_in_bytes       = message.size();
    job->auth_tag_output                = digest.data();
    job->auth_tag_output_len_in_bytes   = digest.size();
    job->hash_start_src_offset_in_bytes = 0;
    IMB_SUBMIT_JOB_NOCHECK(manager_->state);
}

void Lanes::finish() {
    if (manager_ != nullptr) {
        while (IMB_FLUSH_JOB(manager_->state) != nullptr) {
        }
    }
}
#else
struct Lanes::Manager {};

LaneWidth lane_width() { return LaneWidth::none; }

Lanes::Lanes(LaneWidth) {}

void Lanes::add(std::span<const u8> message, Digest384& digest) { digest = sha384(message); }

void Lanes::finish() {}
#endif

Lanes::~Lanes() = default;

} // namespace vestibule::igvm
