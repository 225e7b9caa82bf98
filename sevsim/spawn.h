// SPDX-License-Identifier: BSD-2-Clause-Patent
// Starting a program so that it can always be ended again.
#pragma once

#include "sevsim/descriptor.h"

#include <csignal>
#include <expected>
#include <string>
#include <vector>

namespace vestibule::sevsim {

/// A child in a process group of its own, killed by the kernel if we die. Ends with this object.
class Child {
  public:
    Child(pid_t pid, Descriptor process) : pid_{pid}, process_{std::move(process)} {}

    Child(Child&& other) noexcept
        : pid_{std::exchange(other.pid_, -1)}, process_{std::move(other.process_)} {}

    Child& operator=(Child&&)      = delete;
    Child(const Child&)            = delete;
    Child& operator=(const Child&) = delete;
    ~Child();

    /// Readable (poll) once the child has ended.
    int pidfd() const { return process_.get(); }

    /// To the child and to what it has started.
    void signal(int number) const {
        if (pid_ > 0) {
            ::kill(-pid_, number);
        }
    }

    /// Waits for the child, ends what it has left running, and says how it ended: waitpid's status.
    int reap();

  private:
    pid_t pid_;
    Descriptor process_;
};

struct ChildFiles {
    int input;
    int output;
    const std::vector<Descriptor>& inherited;
    int errors = -1; ///< -1: our own standard error
};

std::expected<Child, std::string> spawn(const std::vector<std::string>& arguments,
                                        const ChildFiles& files);

} // namespace vestibule::sevsim
