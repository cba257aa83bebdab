# dockerd and Podman themselves export an image through their sockets. Needs root and, on the path, dockerd with docker
# (Debian: docker.io, containerd, runc) or podman (with conmon and crun); where neither is, it shows nothing and says so.
. "$(dirname "$0")/common.sh"
mkdir -p rootfs/var/lib/dpkg rootfs/etc home/.config/containers
printf 'Package: hello\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.10-3\n\n' >rootfs/var/lib/dpkg/status
printf 'ID=debian\nVERSION_ID=12\n' >rootfs/etc/os-release
tar -C rootfs -cf rootfs.tar .
shown=0

answers() { # SOCKET
  for _ in {1..100}; do
    curl -fsS --noproxy '*' -m 2 -o /dev/null --unix-socket "$1" http://d/_ping 2>/dev/null && return 0
    sleep 0.2
  done
  return 1
}

if command -v dockerd >/dev/null; then
  part docker
  dockerd --iptables=false --ip6tables=false --bridge=none --storage-driver vfs --data-root "$TEMP/data" \
    --exec-root "$TEMP/exec" --pidfile "$TEMP/pid" -H "unix://$TEMP/docker.sock" >dockerd.log 2>&1 &
  interop_pids+=($!)
  answers "$TEMP/docker.sock" || { tail -3 dockerd.log >&2; exit 1; }
  export DOCKER_HOST=unix://$TEMP/docker.sock
  docker import rootfs.tar team/app:1.0 >/dev/null
  check 'an image of dockerd' 0 'hello +2\.10-3 +deb' "${sw[@]}" sbom docker:team/app:1.0
  check 'one that it does not have' 4 'docker has no such image' "${sw[@]}" sbom docker:team/none
  shown=1
fi

if command -v podman >/dev/null; then
  part podman
  printf '{"default":[{"type":"insecureAcceptAnything"}]}\n' >home/.config/containers/policy.json
  own=(env "HOME=$TEMP/home" podman --root "$TEMP/store" --runroot "$TEMP/run" --storage-driver vfs)
  "${own[@]}" import rootfs.tar localhost/team/app:1.0 >/dev/null 2>&1
  "${own[@]}" system service --time=0 "unix://$TEMP/podman.sock" >podman.log 2>&1 &
  interop_pids+=($!)
  answers "$TEMP/podman.sock" || { tail -3 podman.log >&2; exit 1; }
  export CONTAINER_HOST=unix://$TEMP/podman.sock
  check 'an image of Podman' 0 'hello +2\.10-3 +deb' "${sw[@]}" sbom podman:localhost/team/app:1.0
  check 'one that it does not have' 4 'podman has no such image' "${sw[@]}" sbom podman:localhost/team/none
  shown=1
fi
[ "$shown" = 1 ] || printf 'daemons: neither dockerd nor podman is here: nothing was shown\n' >&2
