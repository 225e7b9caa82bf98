// SPDX-License-Identifier: BSD-2-Clause-Patent
// The first process of a Linux that has real KVM: inside QEMU, whose TCG emulates AMD's SVM, it
// loads kvm-amd and runs sevlaunch there, the way a user would on a host: without the module,
// without the right to use it, and then for real. Statically linked against the C library; no C++
// library.
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <initializer_list>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

void load(const char* name) {
    char path[64];
    std::snprintf(path, sizeof path, "/modules/%s.ko", name);
    const int module = open(path, O_RDONLY);
    if (module < 0 || syscall(SYS_finit_module, module, "", 0) != 0) {
        std::perror(path);
    }
    close(module);
}

/// Runs sevlaunch and says its exit status.
void launch(const char* what, uid_t user, std::initializer_list<const char*> arguments) {
    std::printf("init: %s\n", what);
    const pid_t child = fork();
    if (child == 0) {
        if (user != 0 && (setgid(user) != 0 || setuid(user) != 0)) {
            _exit(126);
        }
        const char* all[16] = {"sevlaunch"};
        unsigned count      = 1;
        for (const char* argument : arguments) {
            all[count++] = argument;
        }
        const char* const environment[] = {"ASAN_OPTIONS=detect_leaks=0", nullptr};
        execve("/sevlaunch", const_cast<char* const*>(all), const_cast<char* const*>(environment));
        std::perror("/sevlaunch");
        _exit(127);
    }
    int status = 0;
    waitpid(child, &status, 0);
    std::printf("\ninit: %s: status %d\n", what, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

} // namespace

int main() {
    for (const char* directory : {"/dev", "/proc", "/sys"}) {
        mkdir(directory, 0755);
    }
    mount("dev", "/dev", "devtmpfs", 0, nullptr);
    mount("proc", "/proc", "proc", 0, nullptr);
    mount("sys", "/sys", "sysfs", 0, nullptr);
    const int console = open("/dev/console", O_RDWR);
    dup2(console, STDIN_FILENO);
    dup2(console, STDOUT_FILENO);
    dup2(console, STDERR_FILENO);
    std::setvbuf(stdout, nullptr, _IONBF, 0);
    constexpr const char* image = "/vestibule-64.igvm";
    launch("no module", 0, {image});
    for (const char* name : {"irqbypass", "kvm", "kvm-amd"}) {
        load(name);
    }
    chmod("/dev/kvm", 0660);
    launch("no right", 1000, {image});
    launch("no SEV", 0, {image, "--platform", "sev-es"});
    launch("entry 64", 0, {image, "--timeout", "600"});
    launch("entry compat", 0,
           {"/vestibule-compat.igvm", "--platform", "native", "--timeout", "600"});
    launch("entry 32", 0, {"/vestibule-32.igvm", "--memory", "64M", "--timeout", "600"});
    launch("Linux", 0, {"/linux.igvm", "--timeout", "600"});
    launch("triple fault", 0, {"/triple_fault-64.igvm", "--timeout", "600"});
    launch("examiner", 0, {"/examiner.igvm", "--vcpus", "2"});
    launch("no end", 0, {"/loop-64.igvm", "--timeout", "2"});
    reboot(RB_POWER_OFF);
}
