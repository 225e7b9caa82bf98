// SPDX-License-Identifier: BSD-2-Clause-Patent
// Several programs at once, and one loop that waits for them: what each has printed comes back with
// its end. Signals that end us end them.
#pragma once

#include "sevsim/descriptor.h"
#include "sevsim/spawn.h"

#include <chrono>
#include <csignal>
#include <expected>
#include <functional>
#include <list>
#include <string>
#include <string_view>
#include <vector>

namespace vestibule::sevsim::attack {

struct PoolEnd {
    int status = 0; ///< waitpid's
    std::string output;
    bool overdue = false; ///< it had to be killed
};

class Pool {
  public:
    using Done = std::function<void(PoolEnd)>;
    /// Gets what a program prints as it comes; then PoolEnd has none of it.
    using Take = std::function<void(std::string_view)>;

    explicit Pool(unsigned most);
    ~Pool();
    Pool(const Pool&)            = delete;
    Pool& operator=(const Pool&) = delete;

    bool has_room() const { return jobs_.size() < most_; }

    bool is_empty() const { return jobs_.empty(); }

    /// The signal that wants us to end, or 0.
    int signal() const { return signal_; }

    /// Starts a program, whose complaints are shown or not; `done` is called by wait(). After
    /// `limit` it is killed: the programs here have limits of their own, and this is for one that
    /// keeps none.
    std::expected<void, std::string> start(const std::vector<std::string>& arguments,
                                           std::chrono::milliseconds limit, bool shows_errors,
                                           Done done, Take take = {});

    /// Until something has happened, at the longest `limit`: an end, output, a signal.
    void wait(std::chrono::milliseconds limit);

    /// Asks all programs to end, and waits until they have.
    void end_all();

  private:
    struct Job;

    void read_output(Job& job);

    unsigned most_;
    int signal_ = 0;
    Descriptor signals_;
    sigset_t mask_before_{};
    std::list<Job> jobs_;
};

} // namespace vestibule::sevsim::attack
