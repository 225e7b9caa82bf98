// SPDX-License-Identifier: BSD-2-Clause-Patent
// Runs of a guest by a plan, several at once: each is `sevsim run`, with the options that a replay
// line has, so that what a campaign has seen is what the line shows.
#pragma once

#include "sevsim/attack/campaign.h"
#include "sevsim/attack/ended.h"
#include "sevsim/attack/places.h"
#include "sevsim/attack/plans.h"
#include "sevsim/attack/pool.h"

#include <functional>
#include <map>

namespace vestibule::sevsim::attack {

/// One run, and its trace where that was wanted.
struct Seen {
    Ended ended;
    Places places; ///< of the trace
};

class Runner {
  public:
    using Done = std::function<void(std::expected<Seen, std::string>)>;

    /// Files of runs go to `directory`, and are gone when a run is done.
    Runner(const AttackOptions& options, Pool& pool, std::string directory)
        : options_{options}, pool_{pool}, directory_{std::move(directory)} {}

    /// Starts a run of guest `guest`, which may take so many seconds. `done` is called by the
    /// pool's wait().
    void start(std::size_t guest, const Lies& plan, unsigned seconds, const Done& done);

    /// The same, and waits for it; meanwhile others may end.
    std::expected<Seen, std::string> run(std::size_t guest, const Lies& plan, unsigned seconds);

    /// A run for each plan in one QEMU. `each` is called for every one of them, by its index: with
    /// an error for those that the batch has not come to.
    using Each = std::function<void(std::size_t index, std::expected<Seen, std::string>)>;
    void start_batch(std::size_t guest, const std::vector<Lies>& plans, unsigned seconds,
                     const Each& each);

    /// As a shell runs it, with the plan in `file`.
    std::string replay_line(std::size_t guest, const std::string& file, unsigned seconds) const;

  private:
    std::vector<std::string> command(std::size_t guest, unsigned seconds) const;

    const AttackOptions& options_;
    Pool& pool_;
    std::string directory_;
    u64 count_ = 0;
};

} // namespace vestibule::sevsim::attack
