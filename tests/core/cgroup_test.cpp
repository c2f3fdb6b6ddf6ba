// SPDX-License-Identifier: Apache-2.0
#include "src/core/cgroup.h"

#include <cmath>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/temp_directory.h"

namespace switchyard {
namespace {

constexpr std::int64_t kNoLimit = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMB = 1'000'000;

// A /proc and a /sys in a temporary directory.
class FakeSystem {
 public:
  // The lines of /proc/self/cgroup, and of /proc/self/mountinfo in the form "TOP DIRECTORY TYPE
  // OPTIONS" with everything else that the kernel writes around them.
  FakeSystem(const std::string& groups, const std::vector<std::string>& mounts) {
    write("proc/self/cgroup", groups);
    std::string lines = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n";
    for (const std::string& mount : mounts) {
      const std::size_t type = mount.rfind(' ', mount.rfind(' ') - 1);
      lines += "31 22 0:28 " + mount.substr(0, type) + " rw,nosuid shared:9 master:2 -" +
               mount.substr(type, mount.rfind(' ') - type) + " cgroup" +
               mount.substr(mount.rfind(' ')) + "\n";
    }
    write("proc/self/mountinfo", lines);
  }

  void write(const std::string& name, const std::string& text) {
    const std::filesystem::path path = directory_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  void cpu_v1(const std::string& group, const std::string& quota, const std::string& period) {
    write(group + "/cpu.cfs_quota_us", quota + "\n");
    write(group + "/cpu.cfs_period_us", period + "\n");
  }
  void memory_v1(const std::string& group, const std::string& limit, std::int64_t usage) {
    write(group + "/memory.limit_in_bytes", limit + "\n");
    write(group + "/memory.usage_in_bytes", std::to_string(usage) + "\n");
  }
  void memory_v2(const std::string& group, const std::string& limit, std::int64_t usage) {
    write(group + "/memory.max", limit + "\n");
    write(group + "/memory.current", std::to_string(usage) + "\n");
  }

  double cpus() const { return cgroup_cpus(directory_.path()); }
  std::int64_t memory() const { return cgroup_memory_left(directory_.path()); }

 private:
  TempDirectory directory_;
};

const std::string kUnlimited = "9223372036854771712";

TEST_CASE("cgroup: nested groups of version 1 limit") {
  FakeSystem system(
      "11:memory:/slurm/uid_0/job_7\n4:cpu,cpuacct:/slurm/uid_0/job_7\n"
      "1:name=systemd:/\n",
      {"/ /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct",
       "/ /sys/fs/cgroup/memory cgroup rw,memory", "/ /sys/fs/cgroup/cpuset cgroup rw,cpuset"});
  const std::string cpu = "sys/fs/cgroup/cpu,cpuacct", memory = "sys/fs/cgroup/memory";
  system.cpu_v1(cpu, "-1", "100000");
  system.cpu_v1(cpu + "/slurm/uid_0/job_7", "-1", "100000");
  system.memory_v1(memory, kUnlimited, 5000 * kMB);
  system.memory_v1(memory + "/slurm/uid_0/job_7", kUnlimited, 100 * kMB);
  CHECK(std::isinf(system.cpus()));
  CHECK(system.memory() == kNoLimit);

  system.cpu_v1(cpu + "/slurm/uid_0/job_7", "100000", "100000");
  CHECK(system.cpus() == 1);
  system.memory_v1(memory + "/slurm/uid_0/job_7", "300000000", 100 * kMB);
  CHECK(system.memory() == 200 * kMB);

  // Its ancestors limit it too; its siblings do not.
  system.cpu_v1(cpu + "/slurm", "50000", "100000");
  CHECK(system.cpus() == 0.5);
  system.memory_v1(memory + "/slurm/uid_0", "250000000", 120 * kMB);
  CHECK(system.memory() == 130 * kMB);
  system.cpu_v1(cpu + "/slurm/uid_1", "1000", "100000");
  system.memory_v1(memory + "/slurm/uid_0/job_8", "1000", 0);
  CHECK(system.cpus() == 0.5);
  CHECK(system.memory() == 130 * kMB);

  // The page cache of the group and its descendants can be reclaimed.
  system.write(memory + "/slurm/uid_0/memory.stat",
               "cache 90\ninactive_file 7\ntotal_inactive_file 30000000\n");
  CHECK(system.memory() == 160 * kMB);
}

TEST_CASE("cgroup: nested groups of version 2 limit") {
  FakeSystem system("0::/user.slice/job.scope\n", {"/ /sys/fs/cgroup cgroup2 rw,nsdelegate"});
  const std::string top = "sys/fs/cgroup", job = top + "/user.slice/job.scope";
  CHECK(std::isinf(system.cpus()));
  CHECK(system.memory() == kNoLimit);
  system.write(job + "/cpu.max", "max 100000\n");
  system.memory_v2(job, "max", kMB);
  CHECK(std::isinf(system.cpus()));
  CHECK(system.memory() == kNoLimit);
  system.write(top + "/user.slice/cpu.max", "150000 100000\n");
  system.memory_v2(job, "300000000", 310 * kMB);
  CHECK(system.cpus() == 1.5);
  CHECK(system.memory() == 0);
  system.write(job + "/memory.stat", "anon 5\ninactive_file 20000000\n");
  CHECK(system.memory() == 10 * kMB);
}

TEST_CASE("cgroup: both versions at once") {
  FakeSystem system("5:cpu:/jobs/1\n3:memory:/\n0::/system.slice/run.service\n",
                    {"/ /sys/fs/cgroup/unified cgroup2 rw", "/ /sys/fs/cgroup/cpu cgroup rw,cpu",
                     "/ /sys/fs/cgroup/memory cgroup rw,memory"});
  system.cpu_v1("sys/fs/cgroup/cpu/jobs/1", "200000", "100000");
  system.memory_v2("sys/fs/cgroup/unified/system.slice", "1000000", 0);
  CHECK(system.cpus() == 2);
  CHECK(system.memory() == kMB);
  system.write("sys/fs/cgroup/unified/system.slice/run.service/cpu.max", "100000 100000\n");
  CHECK(system.cpus() == 1);
}

TEST_CASE("cgroup: a container sees only part of the hierarchy") {
  FakeSystem system(
      "5:cpu:/docker/abc/job\n3:memory:/docker/abc/job\n0::/docker/abc/job\n",
      {"/docker/abc /sys/fs/cgroup/cpu cgroup rw,cpu",
       "/docker/abc /my\\040groups cgroup rw,memory", "/docker/ab /other cgroup rw,memory"});
  system.cpu_v1("sys/fs/cgroup/cpu/job", "100000", "50000");
  CHECK(system.cpus() == 2);
  system.cpu_v1("sys/fs/cgroup/cpu", "50000", "50000");
  CHECK(system.cpus() == 1);
  system.memory_v1("my groups/job", "3000", 1000);
  system.memory_v1("other", "1", 0);  // of another group
  CHECK(system.memory() == 2000);
}

TEST_CASE("cgroup: if a hierarchy does not show the group, its top counts") {
  FakeSystem system("0::/../../elsewhere\n", {"/ /sys/fs/cgroup cgroup2 rw"});
  system.write("sys/fs/cgroup/cpu.max", "100000 100000\n");
  system.write("sys/elsewhere/cpu.max", "1000 100000\n");
  CHECK(system.cpus() == 1);
}

TEST_CASE("cgroup: a system without any of the files sets no limit") {
  const TempDirectory empty;
  CHECK(std::isinf(cgroup_cpus(empty.path())));
  CHECK(cgroup_memory_left(empty.path()) == kNoLimit);
  FakeSystem system("nonsense\n\n", {});
  system.write("proc/self/mountinfo", "31 22 0:28\n\n- cgroup2\n");
  CHECK(std::isinf(system.cpus()));
}

}  // namespace
}  // namespace switchyard
