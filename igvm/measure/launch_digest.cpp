// SPDX-License-Identifier: BSD-2-Clause-Patent
// See launch_digest.h. Pages are hashed by all threads, a batch at a time; the chain, which nothing
// can split, is drawn by the calling thread through the batches that are ready.
#include "igvm/measure/launch_digest.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <thread>

namespace vestibule::igvm {

namespace {
constexpr std::array<u8, page_size> zero_page{};

bool is_hashed(PageType type) { return type == PageType::normal || type == PageType::vmsa; }

const Digest384& zero_page_digest() {
    static const Digest384 digest = sha384(zero_page);
    return digest;
}

class Batches {
  public:
    explicit Batches(std::span<const Step> steps)
        : steps_(steps), contents_(steps.size()),
          count_((steps.size() + batch_size - 1) / batch_size),
          ready_(std::make_unique<std::atomic<bool>[]>(count_)) {}

    /// Takes the next batch; false where none is left.
    bool work(Lanes& lanes) {
        const u64 batch = next_.fetch_add(1, std::memory_order_relaxed);
        if (batch >= count_) {
            return false;
        }
        const u64 end = std::min<u64>((batch + 1) * batch_size, steps_.size());
        for (u64 at = batch * batch_size; at < end; ++at) {
            const Step& step = steps_[at];
            if (is_hashed(step.type) && !step.data.empty()) {
                lanes.add(step.data, contents_[at]);
            } else {
                contents_[at] = contents_of(step);
            }
        }
        lanes.finish();
        ready_[batch].store(true, std::memory_order_release);
        ready_[batch].notify_all();
        return true;
    }

    [[nodiscard]] bool is_ready(u64 step) const {
        return ready_[step / batch_size].load(std::memory_order_acquire);
    }

    void wait(u64 step) const { ready_[step / batch_size].wait(false, std::memory_order_acquire); }

    [[nodiscard]] const Digest384& contents(u64 step) const { return contents_[step]; }

  private:
    static constexpr u64 batch_size = 64;

    std::span<const Step> steps_;
    std::vector<Digest384> contents_;
    u64 count_;
    std::unique_ptr<std::atomic<bool>[]> ready_;
    std::atomic<u64> next_ = 0;
};
} // namespace

Digest384 contents_of(const Step& step) {
    if (!is_hashed(step.type)) {
        return {};
    }
    return step.data.empty() ? zero_page_digest() : sha384(step.data);
}

Chain::Chain(PlatformType platform, const Digest384& start) : ld_(start) {
    if (platform != PlatformType::sev_snp) {
        all_.emplace(HashAlgorithm::sha256);
    }
}

Chain::Link Chain::link(const Step& step, u64 page, const Digest384& contents) const {
    const PageInfo info{.digest_cur  = ld_,
                        .contents    = contents,
                        .length      = sizeof(PageInfo),
                        .page_type   = step.type,
                        .imi_page    = 0,
                        .reserved    = 0,
                        .vmpl1_perms = 0,
                        .vmpl2_perms = 0,
                        .vmpl3_perms = 0,
                        .gpa         = step.gpa + page * page_size};
    Link bytes;
    std::memcpy(bytes.data(), &info, sizeof(info));
    return bytes;
}

void Chain::add(const Step& step, const Digest384& contents) {
    if (!all_) {
        for (u64 page = 0; page < step.pages; ++page) {
            take(sha384(link(step, page, contents)));
        }
        return;
    }
    if (!is_hashed(step.type)) {
        return;
    }
    if (!step.data.empty()) {
        all_->add(step.data);
        return;
    }
    for (u64 page = 0; page < step.pages; ++page) {
        all_->add(zero_page);
    }
}

std::vector<u8> Chain::digest() const {
    if (!all_) {
        return {ld_.begin(), ld_.end()};
    }
    Hasher end = *all_;
    std::vector<u8> digest(sizeof(Digest256));
    end.finish(digest);
    return digest;
}

bool Chain::equals(std::span<const u8> digest) const {
    return all_ ? std::ranges::equal(this->digest(), digest) : std::ranges::equal(ld_, digest);
}

unsigned all_threads() { return std::max(1u, std::thread::hardware_concurrency()); }

std::vector<u8> measure(const Launch& launch, unsigned threads, const StepWatcher& watcher,
                        const Digest384& start, LaneWidth width) {
    Chain chain(launch.platform, start);
    const bool snp  = launch.platform == PlatformType::sev_snp;
    const auto link = [&](const Step& step, const Digest384& contents) {
        chain.add(step, contents);
        if (watcher) {
            watcher(step, contents, chain);
        }
    };
    if (!snp) {
        for (const Step& step : launch.steps) {
            link(step, {});
        }
        return chain.digest();
    }
    Batches batches(launch.steps);
    std::vector<std::jthread> helpers;
    for (unsigned i = 1; i < threads; ++i) {
        helpers.emplace_back([&] {
            Lanes lanes(width);
            while (batches.work(lanes)) {
            }
        });
    }
    Lanes lanes(width);
    bool more = true;
    for (u64 at = 0; at < launch.steps.size(); ++at) {
        while (more && !batches.is_ready(at)) {
            more = batches.work(lanes);
        }
        if (!more) {
            batches.wait(at);
        }
        link(launch.steps[at], batches.contents(at));
    }
    return chain.digest();
}

Digest256 launch_measure(const MeasureContext& context, std::span<const u8> digest) {
    std::vector<u8> message = {0x04, context.api_major, context.api_minor, context.build};
    for (unsigned byte = 0; byte < sizeof(context.policy); ++byte) {
        message.push_back(static_cast<u8>(context.policy >> (8 * byte)));
    }
    message.insert(message.end(), digest.begin(), digest.end());
    message.insert(message.end(), context.mnonce.begin(), context.mnonce.end());
    return hmac_sha256(context.tik, message);
}

} // namespace vestibule::igvm
