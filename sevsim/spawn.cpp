// SPDX-License-Identifier: BSD-2-Clause-Patent
// fork and exec, with what has to be done between the two.
#include "sevsim/spawn.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

namespace vestibule::sevsim {

namespace {

/// The child's side: only system calls, and errno into `failure` if the program did not start.
[[noreturn]] void become(char* const* arguments, const ChildFiles& files, pid_t parent,
                         int failure) {
    const auto fail = [failure] {
        const int why = errno;
        (void)!write(failure, &why, sizeof why);
        _exit(127);
    };
    setpgid(0, 0);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) {
        fail();
    }
    // The parent may have died before the request above stood.
    if (getppid() != parent) {
        _exit(127);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    std::signal(SIGPIPE, SIG_DFL);
    if (dup2(files.input, STDIN_FILENO) < 0 || dup2(files.output, STDOUT_FILENO) < 0
        || (files.errors >= 0 && dup2(files.errors, STDERR_FILENO) < 0)) {
        fail();
    }
    for (const Descriptor& file : files.inherited) {
        if (fcntl(file.get(), F_SETFD, 0) != 0) {
            fail();
        }
    }
    execvp(arguments[0], arguments);
    fail();
    _exit(127);
}

} // namespace

std::expected<Child, std::string> spawn(const std::vector<std::string>& arguments,
                                        const ChildFiles& files) {
    std::vector<char*> pointers;
    pointers.reserve(arguments.size() + 1);
    for (const std::string& argument : arguments) {
        pointers.push_back(const_cast<char*>(argument.c_str()));
    }
    pointers.push_back(nullptr);

    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return std::unexpected(fmt::format("no pipe: {}", std::strerror(errno)));
    }
    const Descriptor failure_read{ends[0]};
    Descriptor failure_write{ends[1]};

    const pid_t parent = getpid();
    const pid_t pid    = fork();
    if (pid < 0) {
        return std::unexpected(fmt::format("cannot fork: {}", std::strerror(errno)));
    }
    if (pid == 0) {
        become(pointers.data(), files, parent, failure_write.get());
    }
    setpgid(pid, pid); // in both, since either may run first
    failure_write.close();
    // By number: glibc 2.36 declares pidfd_open for C only.
    Child child{pid, Descriptor{static_cast<int>(syscall(SYS_pidfd_open, pid, 0))}};
    int why = 0;
    if (read(failure_read.get(), &why, sizeof why) == sizeof why) {
        return std::unexpected(fmt::format("{}: {}", arguments[0], std::strerror(why)));
    }
    if (child.pidfd() < 0) {
        return std::unexpected(std::string{"the kernel gives no pidfd: Linux 5.3 is needed"});
    }
    return child;
}

Child::~Child() {
    if (pid_ > 0) {
        signal(SIGKILL);
        reap();
    }
}

int Child::reap() {
    // Look before reaping: as long as the leader is unreaped nobody else can get its group's
    // number.
    siginfo_t info{};
    while (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT) != 0
           && errno == EINTR) {
    }
    signal(SIGKILL);
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return status;
}

} // namespace vestibule::sevsim
