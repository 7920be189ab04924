# Starts the server on loopback and asks for its page. Fails if the answer is not what it should be.
./server 8080 &
ask() { exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET %s HTTP/1.1\r\n\r\n' "$1" >&3 && cat <&3; }
for try in 1 2 3 4 5 6 7 8 9 10; do
  if page=$(ask / 2>/dev/null); then break; fi
  sleep 0.1
done
[[ $page == *"200 OK"*"Hello"* ]]
[[ $(ask /missing) == *"404 Not Found"* ]]
[[ $(ask /../etc/passwd) == *"400 Bad Request"* ]]
echo "the server answers as it should"
